select
    account,
    snapshot_date,
    previous_snapshot_date,
    change,
    id,
    {{ mailpartner.landed_email_key() }} as email_key,
    created_at
from {{ source('mailpartner', 'changes') }}
