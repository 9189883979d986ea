import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.spi.ILoggingEvent;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A pattern layout that prefixes each line with the session tag: log drivers split lines. */
public final class SessionTagLayout extends PatternLayout {
    private static final Pattern LINE_START = Pattern.compile("(?m)^(?=.)");

    @Override
    public String doLayout(ILoggingEvent event) {
        String lines = super.doLayout(event);
        String token = event.getMDCPropertyMap().get(SessionToken.NAME);
        if (token == null) {
            return lines;
        }
        String tag = "[" + SessionToken.NAME + "=" + token + "] ";
        return LINE_START.matcher(lines).replaceAll(Matcher.quoteReplacement(tag));
    }
}
