// Simulates an observability agent that is loaded before the function.
"use strict";

globalThis.preloaded = "yes";
