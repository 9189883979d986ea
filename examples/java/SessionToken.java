import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Reads the session token from the header that OpenReplay's tracker sends. */
final class SessionToken {
    static final String HEADER = "X-OpenReplay-SessionToken";

    /** The MDC key, the JSON field and the name in the session tag. */
    static final String NAME = "openReplaySessionToken";

    private static final int LONGEST_HEADER = 512;
    private static final Pattern FORM =
            Pattern.compile(
                    "[0-9A-Za-z]{1,13}\\.-?[0-9A-Za-z]{1,13}\\.[0-9A-Za-z]{1,13}"
                            + "\\.[1-9A-HJ-NP-Za-km-z]{32,44}");

    private SessionToken() {}

    /**
     * Returns the session token, or null if the header is missing or invalid or has different
     * values. The tracker may send the same token twice, and proxies join values with commas.
     */
    static String of(List<String> values) {
        String joined = values == null ? "" : String.join(",", values);
        if (joined.length() > LONGEST_HEADER) {
            return null;
        }
        Set<String> found = new HashSet<>();
        for (String value : joined.split(",")) {
            found.add(value.trim());
        }
        String only = found.size() == 1 ? found.iterator().next() : "";
        return FORM.matcher(only).matches() ? only : null;
    }
}
