{#
    The SHA-256 of an address in its normal form: without white space at both ends, in lower case.
    For ASCII addresses, it is what email_mode="sha256" lands.
#}
{% macro email_key(column) -%}
    {{ adapter.dispatch('email_key', 'mailpartner')(column) }}
{%- endmacro %}

{# The key of a landed record. An erased address is a key already, after "sha256:"; addresses of others may follow it. #}
{% macro landed_email_key() -%}
    {%- set email_mode = var('mailpartner_email_mode') -%}
    {%- if email_mode == 'plain' -%}
        case when email like 'sha256:%' then substr(email, 8, 64) else {{ mailpartner.email_key('email') }} end
    {%- elif email_mode in ('sha256', 'hmac') -%}
        email_{{ email_mode }}
    {%- elif email_mode == 'drop' -%}
        cast(null as {{ dbt.type_string() }})
    {%- else -%}
        {{ exceptions.raise_compiler_error("mailpartner_email_mode: expected plain, sha256, hmac or drop, got " ~ email_mode) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__email_key(column) -%}
    sha2({{ mailpartner.normal_form(mailpartner.trimmed(column)) }}, 256)
{%- endmacro %}

{# Without this macro, Redshift would use the one of PostgreSQL. #}
{% macro redshift__email_key(column) -%}
    {{ mailpartner.default__email_key(column) }}
{%- endmacro %}

{% macro duckdb__email_key(column) -%}
    sha256({{ mailpartner.normal_form(mailpartner.trimmed(column)) }})
{%- endmacro %}

{# In a database with the locale C, lower() changes only ASCII letters. #}
{% macro postgres__email_key(column) -%}
    {%- set text = '(' ~ column ~ ') collate "und-x-icu"' -%}
    encode(sha256(convert_to({{ mailpartner.normal_form(mailpartner.trimmed(text)) }}, 'UTF8')), 'hex')
{%- endmacro %}

{% macro snowflake__email_key(column) -%}
    sha2({{ mailpartner.normal_form('trim(' ~ column ~ ', ' ~ mailpartner.white_space() ~ ')') }}, 256)
{%- endmacro %}

{% macro bigquery__email_key(column) -%}
    {%- set white_space = 'code_points_to_string([32, 9, 10, 11, 12, 13, 160])' -%}
    to_hex(sha256({{ mailpartner.normal_form('trim(' ~ column ~ ', ' ~ white_space ~ ')') }}))
{%- endmacro %}

{# Databases lower-case these two letters differently. #}
{% macro normal_form(trimmed) -%}
    replace(lower(replace({{ trimmed }}, 'İ', 'i')), 'ς', 'σ')
{%- endmacro %}

{% macro trimmed(column) -%}
    trim(both {{ mailpartner.white_space() }} from {{ column }})
{%- endmacro %}

{% macro white_space() -%}
    ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160)
{%- endmacro %}
