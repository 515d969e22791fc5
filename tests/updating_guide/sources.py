"""The releases that services are updated to, and where they could be."""

from __future__ import annotations

import re
from pathlib import Path

from tests.updating_guide.owner import ANSWERS_FILE

FIRST, SECOND, THIRD = "v1.0.0", "v1.1.0", "v1.2.0"
"""The working tree, and what comes after it; the guide names the second as its example."""

URL = "https://git.example.com/template.git"
TAG_IS_GONE_URL = "https://git.example.com/tag-is-gone.git"
"""Where templates could be. Git is told to look for them elsewhere, so nothing is asked of the network."""


def reachable(url: str, template: Path, cache: Path) -> dict[str, str]:
    """Variables by which git finds at a URL what is in a folder, and nothing at any other."""
    return {
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{template}.insteadOf",
        "GIT_CONFIG_VALUE_0": url,
        "COPIER_CACHE_DIR": str(cache),
    }


def move(service: Path, destination: str) -> None:
    """Edit ``_src_path``, as the guide allows."""
    file = service / ANSWERS_FILE
    text = re.sub(r"(?m)^_src_path:.*$", f"_src_path: {destination}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
