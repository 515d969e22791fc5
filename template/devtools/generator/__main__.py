"""Makes a resource: `poe new invoices number:str:unique 'total:decimal(12,2)' 'due:date?' customer:ref=customers`."""

import argparse
import sys

from devtools.application import PROJECT
from devtools.generator import GeneratorError, existing, writing
from devtools.generator.fields import KINDS, Field, parse_fields
from devtools.generator.migration import VERSIONS, check_not_in_use, write_migration
from devtools.generator.naming import Names, names_of
from devtools.generator.resource import Resource
from devtools.supervisor import StartError

_EPILOG = f"""\
A field is name:type, and then ? if it may be null, :unique, :index, or :search if lists are searched by its words.
Types: {", ".join(KINDS)}.
  total:decimal(12,2)  status:enum(draft,sent,paid)  customer:ref(customers)  due:date?:index
In a shell, quote what has brackets or a question mark, or write total:decimal=12,2 and due:date:optional.
Without fields, the rest is made for a model that is there already."""


def main() -> None:
    """Write a resource, show what would be written, or take it back."""
    arguments = _parser().parse_args()
    try:
        if arguments.undo:
            _undo(arguments.name)
        else:
            names = names_of(arguments.name, arguments.singular)
            _make(names, arguments.fields, soft_delete=arguments.soft_delete, dry_run=arguments.dry_run)
    except (GeneratorError, StartError) as error:
        sys.exit(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poe new",
        description="Make a resource: model, schemas, queries, endpoints, tests and migration.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="what it is called in the plural, such as invoices")
    parser.add_argument("fields", nargs="*", metavar="field", help="a field, such as number:str:unique")
    parser.add_argument("--singular", help="what one is called, where the rules of English do not tell")
    parser.add_argument("--soft-delete", action="store_true", help="keep deleted rows, and mark them")
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    parser.add_argument("--undo", action="store_true", help="take back what was written and not edited since")
    return parser


def _make(names: Names, texts: list[str], *, soft_delete: bool, dry_run: bool) -> None:
    model = existing.model_of(names)
    fields = _fields(names, texts, has_model=model is not None)
    if model is not None:
        fields = existing.fields_of(model)
        soft_delete = "deleted_at" in model.__mapper__.columns
    referred = [field.refers_to for field in fields if field.refers_to is not None]
    tables = existing.tables_of(referred, names)
    resource = Resource(names, fields, soft_delete, tables, existing.samples_of(referred, names))
    planned = writing.plan(resource, with_model=model is None)
    if dry_run:
        print(writing.shown(planned), end="")
        print("And a migration, which Alembic writes by the models.", *resource.remarks, sep="\n")
        return
    writing.check_clean(planned)
    writing.write(planned)
    try:
        migration = write_migration(names.many)
        writing.write(migration)
        planned |= migration
    except BaseException:
        writing.restore(planned)
        raise
    writing.note(names.plural, planned)
    for line in (*planned, *resource.remarks):
        print(line)
    print(f"It is yours now. Its tests: uv run pytest tests/{names.plural}. To see it at work: uv run poe dev.")


def _fields(names: Names, texts: list[str], *, has_model: bool) -> list[Field]:
    if has_model:
        if texts:
            raise GeneratorError(
                f"There is a model {names.model} already: leave out the fields to have the rest made for it."
            )
        return []
    if taken := existing.table_taken(names):
        raise GeneratorError(f"{taken.__module__} has a table {names.singular} already: choose another name.")
    if not texts:
        raise GeneratorError(f"What does {names.a} have? Name its fields, such as number:str:unique.")
    fields = parse_fields(texts, names.model)
    for field in fields:
        if field.refers_to == names.plural and not field.nullable:
            raise GeneratorError(f"{field.name} could never be set for the first row: let it be null, by a `?`.")
    return fields


def _undo(name: str) -> None:
    for path in writing.noted(name):
        if path.parent == VERSIONS and (PROJECT / path).exists():
            check_not_in_use(path)
    taken, left = writing.undo(name)
    for path in taken:
        print(f"taken back: {path}")
    for reason in left:
        print(f"left: {reason}")


if __name__ == "__main__":
    main()
