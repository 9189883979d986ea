package main

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
)

const (
	header        = "X-OpenReplay-SessionToken"
	field         = "openReplaySessionToken"
	longestHeader = 512
)

var tokenForm = regexp.MustCompile(
	`^[0-9A-Za-z]{1,13}\.-?[0-9A-Za-z]{1,13}\.[0-9A-Za-z]{1,13}\.[1-9A-HJ-NP-Za-km-z]{32,44}$`)

// sessionKey is the key of the session token in a request's context.
type sessionKey struct{}

// withSession puts the session token of each request into the request's context.
func withSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := tokenOf(r.Header.Values(header)); token != "" {
			r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, token))
		}
		next.ServeHTTP(w, r)
	})
}

// tokenOf returns the session token, or "" if the header is missing or invalid or has different
// values. The tracker may send the same token twice, and proxies join values with commas.
func tokenOf(values []string) string {
	joined := strings.Join(values, ",")
	if len(joined) > longestHeader {
		return ""
	}
	token := ""
	for i, value := range strings.Split(joined, ",") {
		value = strings.TrimSpace(value)
		if i > 0 && value != token {
			return ""
		}
		token = value
	}
	if !tokenForm.MatchString(token) {
		return ""
	}
	return token
}

// sessionHandler adds the session token of the context to each record. The field goes into the
// outermost object even if the logger has groups, because a field inside a group is not read.
type sessionHandler struct {
	outermost slog.Handler
	// The groups and attributes of the logger, which are added after the session token.
	added []func(slog.Handler) slog.Handler
}

func (h sessionHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.outermost.Enabled(ctx, level)
}

func (h sessionHandler) Handle(ctx context.Context, record slog.Record) error {
	handler := h.outermost
	if token, found := ctx.Value(sessionKey{}).(string); found {
		handler = handler.WithAttrs([]slog.Attr{slog.String(field, token)})
	}
	for _, add := range h.added {
		handler = add(handler)
	}
	return handler.Handle(ctx, record)
}

func (h sessionHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h sessionHandler) WithGroup(name string) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h sessionHandler) with(add func(slog.Handler) slog.Handler) slog.Handler {
	added := append([]func(slog.Handler) slog.Handler{}, h.added...)
	return sessionHandler{h.outermost, append(added, add)}
}
