<?php

/** An example shop: it accepts orders at /orders and fails, because nothing is in stock. */

declare(strict_types=1);

use Monolog\ErrorHandler;
use Monolog\Formatter\JsonFormatter;
use Monolog\Handler\StreamHandler;
use Monolog\Logger;

// With Composer: vendor/autoload.php
require 'Monolog/autoload.php';
require __DIR__ . '/SessionProcessor.php';

$formatter = new JsonFormatter();
$formatter->includeStacktraces();
$logger = new Logger('shop');
$logger->pushHandler((new StreamHandler('php://stderr'))->setFormatter($formatter));
$logger->pushProcessor(new SessionProcessor());
// Without this, PHP logs uncaught exceptions itself, in lines without a session.
ErrorHandler::register($logger);

function order(Logger $logger, string $order): never
{
    $logger->info("order received: $order");
    $logger->warning("stock:\n  lamp: none", ['lamp' => 0]);
    throw new RuntimeException("no stock left\nfor $order");
}

order($logger, (string) file_get_contents('php://input'));
