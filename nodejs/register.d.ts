/** Installs the tagging; see README.md. */
export {};
