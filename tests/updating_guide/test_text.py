"""What the guide says is tested, whole, and the same for everyone."""

from __future__ import annotations

import re

from tests.harness.rendering.template import Template
from tests.updating_guide import test_commands  # noqa: F401 - notes in FOLLOWED what it types
from tests.updating_guide.owner import FOLLOWED, GUIDE
from tests.updating_guide.test_mistakes import MISTAKES


def commands_of(guide: str) -> list[str]:
    """Every line of a block of commands, and every command with options that stands in a sentence."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", guide, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return lines + re.findall(r"`((?:git|uvx?) [^`]* -[^`]*)`", prose)


def messages_in(guide: str) -> list[str]:
    """What the last table of the guide says that Copier prints."""
    table = guide.partition("## When something is wrong")[2].partition("### ")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]
    return [quoted for cell in cells for _, quoted in re.findall(r"(?<!`)(`{1,2})(?!`)(.+?)\1(?!`)", cell)]


def test_every_command_of_the_guide_is_typed_by_a_test() -> None:
    assert set(commands_of(GUIDE.read_text(encoding="utf-8"))) == {
        line for lines in FOLLOWED.values() for line in lines
    }


def test_every_message_of_the_guide_is_provoked_by_a_test() -> None:
    messages = {message for mistake in MISTAKES.values() for message in mistake.messages}
    assert set(messages_in(GUIDE.read_text(encoding="utf-8"))) == messages


def test_links_lead_somewhere() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if path and not path.startswith("https:"):
            assert (path, anchor) in {("../README.md", "project-layout"), ("../src/app/kit/README.md", "")}
        elif not path:
            assert anchor in anchors, target


def test_guide_is_the_same_for_every_service(template: Template) -> None:
    """So that it never has a trace of what was not chosen, nor a line that an update of the answers would change."""
    assert template.render({}).joinpath("docs", "updating.md").read_bytes() == GUIDE.read_bytes()
