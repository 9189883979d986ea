<?php

declare(strict_types=1);

use Monolog\Processor\ProcessorInterface;

/** Adds the session token of the current request to each record's extra fields. */
final class SessionProcessor implements ProcessorInterface
{
    private const LONGEST_HEADER = 512;
    private const FORM = '/\A[0-9A-Za-z]{1,13}\.-?[0-9A-Za-z]{1,13}\.[0-9A-Za-z]{1,13}'
        . '\.[1-9A-HJ-NP-Za-km-z]{32,44}\z/';

    /** @param array|\Monolog\LogRecord $record an array in Monolog 1 and 2, an object from 3 on */
    public function __invoke($record)
    {
        $token = self::token();
        if ($token !== null) {
            $record['extra']['openReplaySessionToken'] = $token;
        }
        return $record;
    }

    /**
     * Returns the session token, or null if the header is missing or invalid or has different
     * values. The tracker may send the same token twice, and PHP and proxies join values with
     * commas. Not cached: a long-running worker serves other visitors.
     */
    private static function token(): ?string
    {
        $joined = $_SERVER['HTTP_X_OPENREPLAY_SESSIONTOKEN'] ?? '';
        if (!is_string($joined) || strlen($joined) > self::LONGEST_HEADER) {
            return null;
        }
        $found = array_unique(array_map('trim', explode(',', $joined)));
        return count($found) === 1 && preg_match(self::FORM, $found[0]) === 1 ? $found[0] : null;
    }
}
