select
    account,
    snapshot_date,
    landed.status,
    landed.observed_at,
    landed.row_count as records,
    changes.added,
    changes.removed,
    changes.changed_records,
    landed.duplicate_ids,
    landed.rejected
from {{ source('mailpartner', 'receipts') }} as landed
left join {{ source('mailpartner', 'changes_receipts') }} as changes using (account, snapshot_date)
