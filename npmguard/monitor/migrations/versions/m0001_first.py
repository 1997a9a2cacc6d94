"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "cursors",
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=True),
        sa.Column("horizon", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("feed", name="pk_cursors"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_facts"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("releases", sa.Integer, nullable=False),
        sa.Column("packages", sa.Integer, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=True),
        sa.Column("merged", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.ForeignKeyConstraint(["merged"], ["incidents.id"], name="fk_incidents_merged"),
    )
    op.create_index("ix_incidents_merged", "incidents", ["merged"])
    op.create_table(
        "traits",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", "kind", "value", name="pk_traits"),
    )
    op.create_index("ix_traits_kind_value", "traits", ["kind", "value"])
    op.create_table(
        "clean_traits",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(512), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "name", name="pk_clean_traits"),
    )
    op.create_table(
        "names",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("horizon", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=True),
        sa.Column("lease", sa.BigInteger, nullable=True),
        sa.Column("digest", sa.Text, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_names"),
    )
    op.create_index("ix_names_state_source_due", "names", ["state", "source", "due"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("incident", sa.String(64), nullable=True),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("version", sa.Text, nullable=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=True),
        sa.Column("delivered", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due"])
    op.create_index("ix_outbox_sink_state_created", "outbox", ["sink", "state", "created"])
    op.create_table(
        "verdicts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("ruleset", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("published", sa.BigInteger, nullable=True),
        sa.Column("judged", sa.BigInteger, nullable=False),
        sa.Column("sha512", sa.Text, nullable=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", "ruleset", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_judged", "verdicts", ["judged"])
    op.create_index("ix_verdicts_verdict_judged", "verdicts", ["verdict", "judged"])
    op.create_table(
        "work",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("queued", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger, nullable=True),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=True),
        sa.Column("lease", sa.BigInteger, nullable=True),
        sa.Column("ended", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("name", "version", name="pk_work"),
    )
    op.create_index("ix_work_ended", "work", ["ended"])
    op.create_index("ix_work_state_source_due", "work", ["state", "source", "due"])
    op.create_table(
        "incident_members",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("published", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("name", "version", name="pk_incident_members"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_members_incident"),
    )
    op.create_index("ix_incident_members_incident", "incident_members", ["incident"])


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("incident_members")
    op.drop_table("clean_traits")
    op.drop_table("traits")
    op.drop_table("work")
    op.drop_table("verdicts")
    op.drop_table("outbox")
    op.drop_table("names")
    op.drop_table("incidents")
    op.drop_table("facts")
    op.drop_table("cursors")
