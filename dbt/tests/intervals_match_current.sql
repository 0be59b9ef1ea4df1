-- Whoever is on the current list is in an interval that has not ended, and nobody else is: for the
-- accounts whose changes have been landed as far as the current list.
with caught_up as (
    select changes.account
    from {{ source('mailpartner', 'changes_receipts') }} as changes
    join {{ source('mailpartner', 'receipts') }} as landed on landed.account = changes.account
    where landed.status = 'live'
    group by changes.account
    having max(changes.snapshot_date) = max(landed.snapshot_date)
),

differences as (
    select account, email_key, id
    from (
        select account, email_key, id, 1 as listed from {{ ref('current_suppressions') }}
        union all
        select account, email_key, id, -1 from {{ ref('suppression_intervals') }} where gone_by is null
    ) as both_lists
    group by account, email_key, id
    having sum(listed) <> 0
)

select account, count(*) as difference
from differences
join caught_up using (account)
group by account
