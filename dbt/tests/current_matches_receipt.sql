-- The newest live receipt of each account declares the rows of its current list.
select account, sum(row_count) as difference
from (
    select account, 1 as row_count from {{ source('mailpartner', 'current') }}
    union all
    select account, -row_count
    from (
        select
            account,
            row_count,
            row_number() over (partition by account order by snapshot_date desc) as age
        from {{ source('mailpartner', 'receipts') }}
        where status = 'live'
    ) as receipts
    where age = 1
) as counted
group by account
having sum(row_count) <> 0
