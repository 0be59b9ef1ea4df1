"""Land an answer that lacks records, which fails: ``python -m demo.truncated DESTINATION DAY``."""

from __future__ import annotations

import sys

from mailpartner_provider.errors import RequestFailed
from mailpartner_provider.operators.unsubscribe_to_parquet import UnsubscribeToParquetOperator


def main() -> None:
    """Execute the operator as a task does; exit with an error if it lands anything."""
    _, destination, day = sys.argv
    task = UnsubscribeToParquetOperator(task_id="land", destination=destination, snapshot_date=day)
    try:
        task.execute({})
    except RequestFailed:
        return
    sys.exit("A truncated answer was landed")


if __name__ == "__main__":
    main()
