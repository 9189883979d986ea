"""``python -m openreplay_cw_stack COMMAND``."""

from openreplay_cw_stack.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
