// An example shop: it accepts orders at /orders and fails, because nothing is in stock.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
)

func main() {
	slog.SetDefault(slog.New(sessionHandler{outermost: slog.NewJSONHandler(os.Stdout, nil)}))
	http.Handle("/orders", withSession(recovered(http.HandlerFunc(order))))
	port := os.Getenv("PORT")
	if port == "" {
		port = "8000"
	}
	slog.Error("server ended", "error", http.ListenAndServe("127.0.0.1:"+port, nil))
	os.Exit(1)
}

func order(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the order is cut", http.StatusBadRequest)
		return
	}
	// Pass the context: slog.Info takes none, so its line would have no session.
	slog.InfoContext(r.Context(), "order received: "+string(body))
	slog.Default().WithGroup("stock").With("lamp", 0).WarnContext(r.Context(), "stock:\n  lamp: none")
	panic("no stock left\nfor " + string(body))
}

// recovered logs panics with the request's context; net/http would log them without it.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			reason := recover()
			if reason == nil {
				return
			}
			if reason == http.ErrAbortHandler {
				panic(reason)
			}
			slog.ErrorContext(r.Context(), "order failed",
				"error", fmt.Sprint(reason), "stack", string(debug.Stack()))
			w.WriteHeader(http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
