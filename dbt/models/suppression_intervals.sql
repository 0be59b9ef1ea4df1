-- A record is on the list from its own snapshot until the next change of its id. Records of the
-- same id and person that follow each other without a gap are one interval.
with changed_days as (
    select distinct account, id, snapshot_date, previous_snapshot_date
    from {{ ref('stg_mailpartner__changes') }}
),

ends as (
    select
        account,
        id,
        snapshot_date,
        lead(snapshot_date) over (partition by account, id order by snapshot_date) as gone_by,
        lead(previous_snapshot_date) over (partition by account, id order by snapshot_date) as last_seen_on
    from changed_days
),

listed as (
    select account, id, email_key, snapshot_date as seen_from, gone_by, last_seen_on, min(created_at) as created_at
    from {{ ref('stg_mailpartner__changes') }}
    join ends using (account, id, snapshot_date)
    where change <> 'removed'
    group by 1, 2, 3, 4, 5, 6
),

begun as (
    select
        *,
        case
            when lag(gone_by) over (partition by account, id, email_key order by seen_from) = seen_from then 0
            else 1
        end as is_begin
    from listed
),

numbered as (
    select
        *,
        sum(is_begin) over (
            partition by account, id, email_key
            order by seen_from
            rows between unbounded preceding and current row
        ) as interval_number
    from begun
)

select
    account,
    email_key,
    id,
    min(created_at) as created_at,
    min(seen_from) as seen_from,
    case when count(gone_by) = count(*) then max(gone_by) end as gone_by,
    case when count(gone_by) = count(*) then max(last_seen_on) end as last_seen_on
from numbered
group by account, email_key, id, interval_number
