"""Import every public name of the wheel, in an environment that has nothing but the wheel."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path

import mailpartner_provider
from mailpartner_provider.errors import (
    BadData,
    LandingStopped,
    MailPartnerError,
    RequestFailed,
    RequestRefused,
    WrongArgument,
)
from mailpartner_provider.get_provider_info import get_provider_info
from mailpartner_provider.hooks.mailpartner import MailPartnerHook
from mailpartner_provider.operators.links import LandedPartitionLink
from mailpartner_provider.operators.unsubscribe_changes import UnsubscribeChangesOperator
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator
from mailpartner_provider.testing import faults
from mailpartner_provider.testing.server import StandIn

PUBLIC = [
    BadData,
    LandingStopped,
    MailPartnerError,
    RequestFailed,
    RequestRefused,
    WrongArgument,
    get_provider_info,
    MailPartnerHook,
    LandedPartitionLink,
    UnsubscribeChangesOperator,
    UnsubscribeToParquetOperator,
    faults,
    StandIn,
]


def main() -> None:
    """Raise an error unless the wheel is what was imported, and is complete."""
    package = Path(mailpartner_provider.__file__).parent
    if not package.is_relative_to(sys.prefix):
        raise SystemExit(f"{package} was imported, which is not the wheel in {sys.prefix}")
    if not list(package.glob("example_dags/*.py")):
        raise SystemExit("The wheel has no examples")
    wheel = distribution("mailpartner-provider")
    if wheel.version != mailpartner_provider.__version__:
        raise SystemExit(f"The wheel says {wheel.version}, __version__ something else")
    points = [point for point in wheel.entry_points if point.group != "pytest11"]  # no pytest here
    for point in points:
        point.load()
    print(f"Imported {len(PUBLIC)} public names and {len(points)} entry points of {wheel.version}")


if __name__ == "__main__":
    main()
