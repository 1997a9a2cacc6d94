"""The part of a monitor's state that is judged again, and that is thrown away in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, delete, exists, or_, select, tuple_, update

from npmguard.detect.demand import Demand
from npmguard.monitor.records import Judged, Source, WorkState
from npmguard.monitor.store import Store
from npmguard.monitor.tables import facts, incident_members, rulesets, verdicts, work

_BATCH: Final = 500  # rows that one transaction throws away
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version with its newest verdict. ``content`` is that of its facts, None where none are stored."""

    name: str
    version: str
    ruleset: str
    verdict: str
    published: datetime | None
    sha512: str | None
    content: bytes | None = field(repr=False)


class KeptStore(Store):
    """The state, for those who judge again; each method is one transaction, as in :class:`Store`."""

    def keep_ruleset(self, digest: str, demand: Demand) -> None:
        """Note what the ruleset with that digest asks for."""
        content = msgspec.json.encode(demand, order="sorted")

        def write(transaction: Connection) -> None:
            self._upsert(transaction, rulesets, [{"digest": digest, "content": content}], ["digest"], ())

        self._run(write)

    def knows_ruleset(self, digest: str) -> bool:
        """Whether it is noted what that ruleset asks for."""
        return digest in self.demands()

    def demands(self) -> Mapping[str, Demand]:
        """What each ruleset asks for by which versions were judged; those of another npmguard are left out."""

        def read(transaction: Connection) -> dict[str, Demand]:
            found = {}
            for row in transaction.execute(select(rulesets)).all():
                try:
                    found[row.digest] = msgspec.json.decode(row.content, type=Demand)
                except msgspec.DecodeError:
                    continue  # then nobody can tell: its versions are told to need another download
            return found

        return self._run(read)

    def judged_since(
        self, since: datetime, after: Key, count: int, names: frozenset[str] = frozenset()
    ) -> list[StoredVersion]:
        """Up to *count* versions judged from *since* on, by name and version, the first behind *after*.

        *names* are the only ones, where there are any.
        """
        columns = verdicts.c

        def read(transaction: Connection) -> list[StoredVersion]:
            keys = (
                select(columns.name, columns.version)
                .where(columns.judged >= since, tuple_(columns.name, columns.version) > after)
                .group_by(columns.name, columns.version)
                .order_by(columns.name, columns.version)
                .limit(count)
            )
            if names:
                keys = keys.where(columns.name.in_(sorted(names)))
            found = []
            for name, version in transaction.execute(keys).all():
                row = transaction.execute(
                    select(verdicts)
                    .where(columns.name == name, columns.version == version)
                    .order_by(columns.judged.desc())
                    .limit(1)
                ).one()
                content = self._content(transaction, name, version)
                found.append(
                    StoredVersion(name, version, row.ruleset, row.verdict, row.published, row.sha512, content)
                )
            return found

        return self._run(read)

    def content(self, name: str, version: str) -> bytes | None:
        """The stored facts of one version."""
        return self._run(lambda transaction: self._content(transaction, name, version))

    def keep_again(self, before: StoredVersion, judged: Judged, content: bytes, *, readable: bool) -> bool:
        """Store another verdict on a version, with its alerts; False where somebody else did meanwhile."""

        def write(transaction: Connection) -> bool:
            columns = verdicts.c
            newest = transaction.execute(
                select(columns.ruleset, columns.verdict)
                .where(columns.name == before.name, columns.version == before.version)
                .order_by(columns.judged.desc())
                .limit(1)
                .with_for_update()
            ).first()
            if newest is None or tuple(newest) != (before.ruleset, before.verdict):
                return False
            self._keep(transaction, judged)
            self._keep_facts(transaction, judged.name, judged.version, content, readable=readable)
            self._raise(transaction, judged)
            return True

        return self._run(write)

    def now(self) -> datetime:
        """What the time is."""
        return self._clock()

    def queue_again(self, keys: Sequence[Key]) -> None:
        """Have these versions downloaded and judged again, after all others."""

        def write(transaction: Connection) -> None:
            now = self._clock()
            for name, version in keys:
                values = {
                    "state": WorkState.QUEUED.value,
                    "source": Source.REJUDGE.value,
                    "due": now,
                    "attempts": 0,
                    "ended": None,
                }
                ended = and_(
                    work.c.name == name,
                    work.c.version == version,
                    work.c.state.not_in([WorkState.QUEUED.value, WorkState.LEASED.value]),
                )
                transaction.execute(update(work).where(ended).values(values))

        self._run(write)

    def prune(self, before: datetime) -> tuple[int, int]:
        """Throw away a batch of facts and of clean verdicts that are older; how many of each.

        What belongs to an incident stays, and so does all that is to be told.
        """

        def write(transaction: Connection) -> tuple[int, int]:
            member = exists().where(
                incident_members.c.name == verdicts.c.name, incident_members.c.version == verdicts.c.version
            )
            old = (
                select(verdicts.c.name, verdicts.c.version, verdicts.c.ruleset)
                .where(verdicts.c.verdict == "clean", verdicts.c.judged < before, ~member)
                .limit(_BATCH)
            )
            clean = transaction.execute(old).all()
            keys = [
                and_(verdicts.c.name == name, verdicts.c.version == version, verdicts.c.ruleset == ruleset)
                for name, version, ruleset in clean
            ]
            for start in range(0, len(keys), 50):
                transaction.execute(delete(verdicts).where(or_(*keys[start : start + 50])))
            aged = select(facts.c.name, facts.c.version).where(facts.c.stored < before).limit(_BATCH)
            gone = transaction.execute(aged).all()
            these = [and_(facts.c.name == name, facts.c.version == version) for name, version in gone]
            for start in range(0, len(these), 50):
                transaction.execute(delete(facts).where(or_(*these[start : start + 50])))
            return len(gone), len(clean)

        return self._run(write)

    def _content(self, transaction: Connection, name: str, version: str) -> bytes | None:
        query = select(facts.c.content).where(facts.c.name == name, facts.c.version == version)
        return transaction.execute(query).scalar()
