"""Create the tables of accounts and transfers."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = PREVIOUS
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("balance", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "transfer",
        sa.Column("id", PRIMARY_KEY, primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("source", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("target", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "INSERT INTO account (id, balance) VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)"
    )
    if op.get_context().dialect.name == "postgresql":
        # A commit that takes its time can be hit in its midst.
        op.execute(
            "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END'"
        )
        op.execute(
            "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON transfer DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION take_time()"
        )


def downgrade() -> None:
    op.drop_table("transfer")
    op.drop_table("account")
