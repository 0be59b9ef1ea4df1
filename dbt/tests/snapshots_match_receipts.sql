{{ config(enabled=var('mailpartner_snapshots') is not none) }}
{{ mailpartner.not_as_declared('snapshots', 'receipts') }}
