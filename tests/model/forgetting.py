"""What leaves the list of the condemned: a name that somebody can still believe in stays there (rule 4.4)."""

from tests.model.rules import Rules
from tests.model.world import Plan


def still_condemned(
    proposal: Plan, stays: frozenset[str], unnamed: frozenset[str], opened: frozenset[str], rules: Rules
) -> Plan:
    """Without what is forgotten: what neither stands nor is named, and, while a session is open, was not either when
    the plan in force was made.
    """
    nowhere = proposal.condemned - stays
    forgotten = nowhere
    if opened and rules.open_keeps_condemned:
        forgotten = unnamed & nowhere if rules.unnamed_is_asked_again else unnamed
    kept = proposal.condemned - forgotten
    return proposal._replace(
        condemned=kept,
        survivors=frozenset(pair for pair in proposal.survivors if pair[0] in kept),
        unnamed=nowhere & kept,
    )
