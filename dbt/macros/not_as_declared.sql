{# Select the days on which a table has more or fewer rows than its receipts declare. #}
{% macro not_as_declared(table, receipts) -%}
select account, snapshot_date, sum(row_count) as difference
from (
    select account, snapshot_date, 1 as row_count from {{ source('mailpartner', table) }}
    union all
    select account, snapshot_date, -row_count from {{ source('mailpartner', receipts) }}
) as counted
group by account, snapshot_date
having sum(row_count) <> 0
{%- endmacro %}
