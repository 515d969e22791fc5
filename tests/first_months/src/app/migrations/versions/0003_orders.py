"""Orders

Revision ID: 0003_orders
Revises: the one before
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003_orders"
down_revision: str | Sequence[str] | None = PREVIOUS
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NOW = NOW()


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "order",
        sa.Column("id", PRIMARY_KEY, nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("pieces", INTEGER, nullable=False),
        sa.Column("created_at", TIMESTAMP, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIMESTAMP, server_default=NOW, nullable=False),
        sa.Column("version", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order")),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("order")
