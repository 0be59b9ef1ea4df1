-- The changes of each day begin where those of the day before end. A day on which nothing changed
-- has no rows, but a receipt.
select *
from (
    select
        account,
        snapshot_date,
        previous_snapshot_date,
        lag(snapshot_date) over (partition by account order by snapshot_date) as day_before
    from {{ source('mailpartner', 'changes_receipts') }}
) as linked
where coalesce(previous_snapshot_date, date '1970-01-01') <> coalesce(day_before, date '1970-01-01')
