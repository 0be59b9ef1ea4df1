{{ mailpartner.not_as_declared('changes', 'changes_receipts') }}
