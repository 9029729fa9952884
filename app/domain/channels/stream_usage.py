"""A fact learned on the way: this channel model refuses to be asked for usage in streams."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, String, bindparam, update

from app.core.database import Execute, Statement
from app.domain.catalog.selling import REVISION
from app.domain.channels.models import ChannelModel, StreamUsage
from app.domain.settings.revisions import bump_by

_served = ChannelModel.__table__.c
_STORE = Statement(
    update(ChannelModel)
    .where(
        _served.channel_id == bindparam("which_channel", type_=BigInteger),
        _served.model_id == bindparam("which_model", type_=BigInteger),
    )
    .values(stream_usage=bindparam("learned", type_=String))
)


@dataclass(frozen=True, slots=True)
class StoreStreamUsage:
    """A write for the writer."""

    channel_id: int
    model_id: int
    learned: StreamUsage

    @property
    def order(self) -> int:
        return 0

    def apply(self, execute: Execute) -> None:
        execute(
            _STORE,
            {
                "which_channel": self.channel_id,
                "which_model": self.model_id,
                "learned": self.learned.value,
            },
        )
        bump_by(execute, REVISION)
