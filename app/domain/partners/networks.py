"""The networks that a partner listed: a call from one is vouched for, and else changes nothing."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.core.client_ip import IpAddress, IpNetwork, parse_networks
from app.domain.audit import AuditAction, record
from app.domain.partners.errors import InvalidNetwork, NetworkNotFound
from app.domain.partners.models import PartnerNetwork

LOOPBACK = ("127.0.0.0/8", "::1/128")
WIDEST_PREFIX = {4: 8, 6: 32}
"""A wider network would vouch for half the world."""


def vouches(session: Session, *, partner_id: int, ip: IpAddress) -> bool:
    """Whether the partner listed the network of this IP."""
    return any(ip in network for network in parse_networks(listed(session, partner_id)))


def listed(session: Session, partner_id: int) -> list[str]:
    rows = select(PartnerNetwork.network).where(PartnerNetwork.partner_id == partner_id)
    return list(session.scalars(rows.order_by(PartnerNetwork.id)))


def add(session: Session, *, partner_id: int, network: str, actor: str) -> str:
    """List a network; return it as it is kept. Listing it twice is no error."""
    normalised = _normalised(network)
    added = session.execute(
        insert(PartnerNetwork)
        .values(partner_id=partner_id, network=normalised, created_at=clock.now())
        .on_conflict_do_nothing(index_elements=["partner_id", "network"])
        .returning(PartnerNetwork.id)
    ).scalar_one_or_none()
    if added is not None:
        _record(session, AuditAction.NETWORK_LISTED, partner_id, normalised, actor)
    return normalised


def remove(session: Session, *, partner_id: int, network: str, actor: str) -> None:
    """Raises InvalidNetwork, NetworkNotFound."""
    normalised = _normalised(network)
    removed = session.execute(
        delete(PartnerNetwork)
        .where(
            PartnerNetwork.partner_id == partner_id,
            PartnerNetwork.network == normalised,
        )
        .returning(PartnerNetwork.id)
    ).scalar_one_or_none()
    if removed is None:
        raise NetworkNotFound
    _record(session, AuditAction.NETWORK_UNLISTED, partner_id, normalised, actor)


def _normalised(text: str) -> str:
    try:
        (network,) = parse_networks([text.strip()])
    except ValueError:
        raise InvalidNetwork(field="network") from None
    if network.prefixlen < WIDEST_PREFIX[network.version]:
        raise InvalidNetwork(
            f"{network} is too wide: list at most a /{WIDEST_PREFIX[network.version]}.",
            field="network",
        )
    return str(_as_ipv4_where_mapped(network))


def _as_ipv4_where_mapped(network: IpNetwork) -> IpNetwork:
    """Callers' IPs are read that way too."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    (unmapped,) = parse_networks([f"{mapped}/{network.prefixlen - 96}"])
    return unmapped


def _record(
    session: Session, action: AuditAction, partner_id: int, network: str, actor: str
) -> None:
    details = {"network": network}
    record(session, actor=actor, action=action, user_id=partner_id, details=details)
