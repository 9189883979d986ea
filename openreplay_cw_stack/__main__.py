"""``python -m openreplay_cw_stack``: what ``openreplay-cw`` does, also without an installation."""

from openreplay_cw_stack.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
