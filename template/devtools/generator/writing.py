"""Puts what was generated into the service, as a whole or not at all, and takes it back."""

import ast
import difflib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mako.lookup import TemplateLookup

from devtools.application import PROJECT
from devtools.generator import GeneratorError
from devtools.generator.resource import Resource

ROUTERS = Path("src/app/routers.py")
NOTES = PROJECT / ".generated"
"""What is remembered of what was written."""

_TEMPLATES = TemplateLookup(directories=[str(Path(__file__).with_name("templates"))], strict_undefined=True)


@dataclass(frozen=True)
class Text:
    """The text of a file before and after; before, there may have been none."""

    before: str | None
    after: str


Plan = Mapping[Path, Text]
"""What changes, by the path in the project."""


def plan(resource: Resource, *, with_model: bool) -> dict[Path, Text]:
    """Return the files of a resource, formatted; raises GeneratorError for those that are there already."""
    names = resource.names
    package, tests = Path("src/app") / names.plural, Path("tests") / names.plural
    made = {
        package / f"{template.removesuffix('.py.mako')}.py": _render(template, resource)
        for template in _templates()
        if template != "test.py.mako" and (with_model or template != "models.py.mako")
    }
    made[tests / f"test_{names.plural}.py"] = _render("test.py.mako", resource)
    made[tests / "__init__.py"] = ""
    init = package / "__init__.py"
    if not (PROJECT / init).exists():
        made[init] = f'"""{names.many.capitalize()}."""\n'
    for path in made:
        if (PROJECT / path).exists():
            raise GeneratorError(f"{path} is there already: remove it, or choose another name.")
    before = (PROJECT / ROUTERS).read_text(encoding="utf-8")
    texts = _formatted({**made, ROUTERS: _with_router(before, names.plural)})
    return {path: Text(before if path == ROUTERS else None, text) for path, text in sorted(texts.items())}


def _templates() -> list[str]:
    return sorted(path.name for path in Path(__file__).with_name("templates").iterdir())


def _render(template: str, resource: Resource) -> str:
    return str(_TEMPLATES.get_template(template).render(r=resource))


def _formatted(texts: Mapping[Path, str]) -> dict[Path, str]:
    """Return files as the service's own rules have them, without the imports that they do not need."""
    with TemporaryDirectory() as folder:
        files = {path: Path(folder) / path for path in texts}
        shutil.copy(PROJECT / "pyproject.toml", folder)
        for path, file in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(texts[path], encoding="utf-8")
        # What is not there would be taken for somebody else's.
        own = ["--config", 'lint.isort.known-first-party=["app", "kit_tests", "tests"]']
        for arguments in (["check", "--fix-only", "--select", "F401,I,UP", *own], ["format"]):
            command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--no-cache", "."]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise GeneratorError(f"What was generated cannot be formatted: {done.stderr.strip()}")
        return {path: file.read_text(encoding="utf-8") for path, file in files.items()}


def _with_router(text: str, name: str) -> str:
    """Return the module of the routers with one more; raises GeneratorError if it does not look as it did."""
    tree = ast.parse(text)
    routers = _routers(tree)
    imported = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    if name in {alias.asname or alias.name for alias in imported}:
        raise GeneratorError(f"{ROUTERS} has a router called {name} already: choose another name.")
    lines = text.splitlines(keepends=True)
    row, column = (routers.end_lineno or 1) - 1, (routers.end_col_offset or 1) - 1
    separator = ", " if routers.elts and not _ends_with_comma(lines, row, column) else ""
    line = lines[row].encode()
    lines[row] = (line[:column] + f"{separator}{name},".encode() + line[column:]).decode()
    last_import = max(node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    lines.insert(last_import, f"from app.{name}.endpoints import router as {name}\n")
    return "".join(lines)


def _routers(tree: ast.Module) -> ast.Tuple:
    for node in tree.body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id="ROUTERS"), value=ast.Tuple() as value)
                | ast.Assign(targets=[ast.Name(id="ROUTERS")], value=ast.Tuple() as value)
            ):
                return value
    raise GeneratorError(f"{ROUTERS} has no tuple ROUTERS to which a router could be added.")


def _ends_with_comma(lines: list[str], row: int, column: int) -> bool:
    before = "".join(lines[:row]) + lines[row].encode()[:column].decode()
    return before.rstrip().endswith(",")


def shown(planned: Plan) -> str:
    """Return what would change, as a patch."""
    return "".join(
        line
        for path, text in planned.items()
        for line in difflib.unified_diff(
            (text.before or "").splitlines(keepends=True),
            text.after.splitlines(keepends=True),
            "/dev/null" if text.before is None else f"a/{path}",
            f"b/{path}",
        )
    )


def check_clean(planned: Plan) -> None:
    """Raise GeneratorError if a file that is there, and would change, has changes that are not committed yet."""
    for path, text in planned.items():
        if text.before is None or _last_written(path) == _digest(text.before):
            continue
        git = ["git", "status", "--porcelain", "--", str(path)]
        done = subprocess.run(git, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            raise GeneratorError(f"{path} has changes that are not committed: commit them first, so that none is lost.")


def write(planned: Plan) -> None:
    """Write the files, all or none."""
    written: dict[Path, Text] = {}
    try:
        for path, text in planned.items():
            written[path] = text
            (PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
            (PROJECT / path).write_text(text.after, encoding="utf-8")
    except BaseException:
        restore(written)
        raise


def restore(planned: Plan) -> None:
    """Have everything as it was before."""
    for path, text in planned.items():
        if text.before is None:
            (PROJECT / path).unlink(missing_ok=True)
            _remove_if_empty((PROJECT / path).parent)
        else:
            (PROJECT / path).write_text(text.before, encoding="utf-8")


def note(name: str, planned: Plan) -> None:
    """Remember what was written, so that it can be told from what was edited since."""
    NOTES.mkdir(exist_ok=True)
    entries = {str(path): {"before": text.before, "digest": _digest(text.after)} for path, text in planned.items()}
    _notes_of(name).write_text(json.dumps(entries, indent=1), encoding="utf-8")


def noted(name: str) -> dict[Path, Mapping[str, str | None]]:
    """Return what is remembered of the files of a resource; raises GeneratorError if nothing is."""
    notes = _notes_of(name)
    if not notes.exists():
        raise GeneratorError(
            f"Nothing is known of a resource {name} that was generated here: only what `poe new` wrote in this folder "
            "can be taken back, once."
        )
    entries: dict[str, dict[str, str | None]] = json.loads(notes.read_text(encoding="utf-8"))
    return {Path(path): entry for path, entry in entries.items()}


def noted_with(path: Path) -> list[str]:
    """Return the resources with which a file was written: one or none."""
    return [notes.stem for notes in sorted(NOTES.glob("*.json")) if str(path) in json.loads(notes.read_text("utf-8"))]


def undo(name: str) -> tuple[list[Path], list[str]]:
    """Take back what was written for a resource and not edited since.

    Returns the files that were removed or are as before, and of the others why they were left. Raises GeneratorError
    if nothing is known of the resource.
    """
    taken, left = [], []
    for path, entry in noted(name).items():
        reason = _take_back(path, entry["before"], str(entry["digest"]), name)
        if reason is None:
            taken.append(path)
        else:
            left.append(f"{path}: {reason}")
    _notes_of(name).unlink()
    _remove_if_empty(NOTES)
    return taken, left


def _notes_of(name: str) -> Path:
    return NOTES / f"{name}.json"


def _take_back(path: Path, before: str | None, digest: str, name: str) -> str | None:
    """Take back one file, or return why not."""
    file = PROJECT / path
    if not file.exists():
        return None
    now = file.read_text(encoding="utf-8")
    if _digest(now) == digest:
        restore({path: Text(before, now)})
        return None
    if path != ROUTERS:
        return "was edited since"
    # Other resources may have come after this one.
    without = _without_router(now, name)
    if without is None:
        return f"was edited since: take {name} out of ROUTERS, and its import"
    file.write_text(without, encoding="utf-8")
    return None


def _without_router(text: str, name: str) -> str | None:
    """Return the module of the routers without one of them, or None if it is not there as it was put."""
    line = f"from app.{name}.endpoints import router as {name}\n"
    names = [element for element in _routers(ast.parse(text)).elts if isinstance(element, ast.Name)]
    entries = [element for element in names if element.id == name]
    if line not in text or len(entries) != 1:
        return None
    lines = text.splitlines(keepends=True)
    entry = entries[0]
    row = entry.lineno - 1
    before, after = lines[row].encode()[: entry.col_offset], lines[row].encode()[entry.end_col_offset :]
    lines[row] = (before + after.lstrip(b", ") if after.strip() != b"," or before.strip() else b"").decode()
    return _formatted({ROUTERS: "".join(lines).replace(line, "")})[ROUTERS]


def _last_written(path: Path) -> str | None:
    """Return the digest of what was last written to a file here."""
    notes = sorted(NOTES.glob("*.json"), key=lambda file: file.stat().st_mtime)
    digests = [json.loads(file.read_text(encoding="utf-8")).get(str(path), {}).get("digest") for file in notes]
    return next((digest for digest in reversed(digests) if digest is not None), None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remove_if_empty(folder: Path) -> None:
    # Python leaves the bytecode of modules that are gone.
    if folder.is_dir() and all(each.name == "__pycache__" for each in folder.iterdir()):
        shutil.rmtree(folder)
