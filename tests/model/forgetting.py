"""What leaves the list of the condemned: a name that somebody can still believe in stays there (rule 4.4)."""

from tests.model.rules import Rules
from tests.model.world import Plan


def still_condemned(
    proposal: Plan, stays: frozenset[str], unnamed: frozenset[str], opened: frozenset[str], rules: Rules
) -> Plan:
    """Without what is forgotten: what neither stands nor is named, nor is the survivor of what stays; and, while a
    session is open, was not either when the plan in force was made.
    """
    nowhere = proposal.condemned - _with_survivors(proposal, stays & proposal.condemned, rules)
    forgotten = nowhere
    if opened and rules.open_keeps_condemned:
        forgotten = unnamed & nowhere if rules.unnamed_is_asked_again else unnamed
    kept = proposal.condemned - forgotten
    return proposal._replace(
        condemned=kept,
        survivors=frozenset(pair for pair in proposal.survivors if pair[0] in kept),
        unnamed=nowhere & kept,
    )


def _with_survivors(plan: Plan, packs: frozenset[str], rules: Rules) -> frozenset[str]:
    more = frozenset(other for pack, other in plan.survivors if pack in packs)
    if more <= packs or not rules.survivors_stay_condemned:
        return packs
    return _with_survivors(plan, packs | more, rules)
