"""What roles come to for one caller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_coordinator.access.bearer import digest_of, metadata_of
from shoal_coordinator.access.policy import PREFIXED, Identity, Operation, Policy, Role, Token
from shoal_coordinator.access.rights import Access, rights_of

SHOP = Role("shop", frozenset({Operation.READ}), frozenset({b"a:"}))
OPERATOR = Role("operator", frozenset({Operation.ADMIN}))
ACCESS = Access(
    Policy(
        (SHOP, OPERATOR),
        (Token("app", digest_of("t0"), ("shop",)),),
        (Identity("ops.example", ("operator",)),),
    )
)
_BYTES = st.binary(max_size=3).map(lambda it: bytes(byte % 3 for byte in it))


def test_nobody_has_no_rights_and_a_known_caller_those_of_its_roles() -> None:
    assert ACCESS.rights(None, ()) is None
    assert ACCESS.rights(None, ("else.example",)) is None
    for shown in ("Bearer t1", "Basic t0", "t0", "Bearer", ""):
        assert ACCESS.rights(shown, ()) is None
        assert ACCESS.rights(shown, ("ops.example",)) is None, "a wrong token is relied on"
    ((_, shown),) = metadata_of("t0")
    app = ACCESS.rights(shown, ())
    both = ACCESS.rights(shown, ("ops.example", "else.example"))
    assert app is not None
    assert both is not None
    assert app.may(Operation.READ, b"a:1")
    assert not app.may(Operation.READ, b"b")
    assert not app.may(Operation.WRITE, b"a:1")
    assert not app.may(Operation.ADMIN)
    assert both.may(Operation.ADMIN)
    assert both.may(Operation.READ, b"a:1")


def test_a_peer_may_do_what_it_was_asked_to() -> None:
    peer = rights_of([Role("node", frozenset({Operation.PEER}))])
    allowed = {operation for operation in Operation if peer.may(operation, b"any")}
    assert allowed == {Operation.PEER, Operation.READ, Operation.WRITE, Operation.INVALIDATE}


@given(
    st.lists(
        st.tuples(st.frozensets(st.sampled_from(sorted(Operation))), st.frozensets(_BYTES)),
        max_size=4,
    ),
    st.sampled_from(sorted(Operation)),
    _BYTES,
)
def test_rights_are_the_plain_meaning_of_the_roles(
    told: list[tuple[frozenset[Operation], frozenset[bytes]]], operation: Operation, name: bytes
) -> None:
    roles = [Role(str(at), operations, prefixes) for at, (operations, prefixes) in enumerate(told)]

    def allows(role: Role) -> bool:
        if Operation.PEER in role.operations and operation in PREFIXED - {Operation.WATCH}:
            return True
        begins = any(name.startswith(prefix) for prefix in role.prefixes)
        return operation in role.operations and (operation not in PREFIXED or begins)

    rights = rights_of(roles)
    assert rights.may(operation, name) == any(map(allows, roles))
    if rights.may(operation, name):
        assert rights.may_at_all(operation)
