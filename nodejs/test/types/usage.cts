// Compiled but never run: the package with require().
import tagging = require("openreplay-cw-tagging");

tagging.install();
const session: tagging.Session | null = tagging.currentSession();
export = session;
