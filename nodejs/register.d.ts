/** Install the tagging with options from environment variables; see README.md. */
export {};
