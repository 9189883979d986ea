"""What pyproject.toml cannot express: the npm package is part of the Python package.

The layer for Node.js functions holds it. In a checkout it stays in the folder `nodejs`.
"""

from setuptools import find_packages, setup

NODEJS = "openreplay_cw_stack.nodejs"

setup(
    packages=[
        *find_packages(include=["openreplay_cw_stack", "openreplay_cw_stack.*"]),
        NODEJS,
        f"{NODEJS}.lib",
    ],
    package_dir={NODEJS: "nodejs"},
    package_data={
        "openreplay_cw_stack": ["py.typed"],
        NODEJS: ["index.js", "index.mjs", "register.js", "lambda.mjs", "package.json", "LICENSE"],
        f"{NODEJS}.lib": ["*.js"],
    },
)
