select
    account,
    id,
    {{ mailpartner.landed_email_key() }} as email_key,
    created_at
from {{ source('mailpartner', 'current') }}
