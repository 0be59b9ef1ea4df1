select
    account,
    email_key,
    id,
    min(created_at) as created_at
from {{ ref('stg_mailpartner__current') }}
group by account, email_key, id
