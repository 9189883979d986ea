// What an agent for observability does: it is loaded first.
"use strict";

globalThis.preloaded = "yes";
