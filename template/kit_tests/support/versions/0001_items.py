"""Items, and the keys of requests about them

Revision ID: 0001_items
Revises:
"""

from collections.abc import Sequence

from alembic import op

from kit_tests.support.items import ItemBase

revision: str = "0001_items"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the change."""
    for table in ItemBase.metadata.sorted_tables:
        op.get_context().impl.create_table(table)


def downgrade() -> None:
    """Take the change back."""
    for table in reversed(ItemBase.metadata.sorted_tables):
        op.get_context().impl.drop_table(table)
