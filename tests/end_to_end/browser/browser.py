"""Headless Chromium, and the page that it opens."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "browser"
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # Function URLs are served by the embedded AWS of this machine.
    "--host-resolver-rules=MAP *.on.aws 127.0.0.1",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; skips the test where there is none, unless ``REQUIRE_CHROMIUM`` is set."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "no chromium on this machine: on Debian and Ubuntu, apt-get install chromium"
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def build(folder: Path) -> None:
    """Bundle the page with the tracker, as a web application's build does."""
    if not (EXAMPLE / "node_modules").exists():
        raise RuntimeError("the examples' packages are not installed: `make install`")
    command = [str(EXAMPLE / "node_modules/.bin/esbuild"), str(HERE / "page.js"), "--bundle"]
    modules = {**os.environ, "NODE_PATH": str(EXAMPLE / "node_modules")}
    subprocess.run(
        [*command, f"--outfile={folder / 'page.js'}", "--log-level=error"], env=modules, check=True
    )
    shutil.copy(HERE / "page.html", folder / "index.html")


@contextmanager
def page_server(folder: Path) -> Iterator[str]:
    """The page's origin, while it is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    build(folder)
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Visitor:
    """Somebody with a browser of their own: cookies and storage are not shared."""

    def __init__(self, browser: Any, origin: str, name: str, **asked: str) -> None:
        self.page = browser.new_context(user_agent=f"Chromium of {name}").new_page()
        self.page.goto(f"{origin}/?{urlencode({'visitor': name, **asked})}")
        self.wait_for("session ")

    def click(self, way: str) -> str:
        """Click a button; what the page says then."""
        self.page.click(f"#{way}")
        return self.wait_for(f"{way}: answered ", f"{way}: TypeError", f"{way}: AxiosError")

    def wait_for(self, *beginnings: str) -> str:
        """What the page says once it begins like one of these."""
        status = self.page.locator("#status")
        self.page.wait_for_function(
            "beginnings => beginnings.some(one => document.getElementById('status')"
            ".textContent.startsWith(one))",
            arg=list(beginnings),
        )
        text: str = status.text_content()
        return text
