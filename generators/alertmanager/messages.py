"""How does an alert read in Slack, in an e-mail and on PagerDuty?

The templates use only what Alertmanager 0.25 knows: it has no function for ages, so moments are written, in UTC.
"""

from html import escape

from generators.folders import ALERTMANAGER
from generators.text import generated_header
from rules.vocabulary import Organisation

__all__ = ["MESSAGES", "WITHOUT_MESSAGES", "messages"]

MESSAGES = f"{ALERTMANAGER}/templates/paymon.tmpl"
"""The file that the templates are in."""
WITHOUT_MESSAGES = "messages fail, and from Alertmanager 0.32 on Slack's arrive empty and count as delivered"
"""What happens where Alertmanager does not load it (run with 0.25 and 0.33; in the source, 0.32 is the first)."""

_SHARED = """
{{/* [P1 FIRING] Fewer than 5 % of payment attempts succeed. Nobody tries to pay. (production, 2 alerts) */}}
{{ define "paymon.title" -}}
{{ $shown := or .Alerts.Firing .Alerts -}}
{{ with index $shown 0 }}[{{ with .Labels.priority }}{{ . }} {{ end }}{{ .Status | toUpper }}]{{ end -}}
{{ $said := "" -}}
{{ range $shown }}{{ if ne .Labels.alertname $said }} {{ template "paymon.summary" . }}{{ end -}}
{{ $said = .Labels.alertname }}{{ end }} ({{ with .CommonLabels.environment }}{{ . }}, {{ end -}}
{{ len $shown }} {{ if eq (len $shown) 1 }}alert{{ else }}alerts{{ end }})
{{- end }}

{{/* Where the title's own alert is explained, and drawn. */}}
{{ define "paymon.runbook" }}{{ (index (or .Alerts.Firing .Alerts) 0).Annotations.runbook_url }}{{ end }}

{{ define "paymon.dashboard" }}{{ template "paymon.panel" index (or .Alerts.Firing .Alerts) 0 }}{{ end }}

{{/* The alert's panel, from an hour before it began to now, or to ten minutes after its end. */}}
{{ define "paymon.from" }}from={{ (.StartsAt.Add -3600000000000).UnixMilli }}{{ end }}

{{ define "paymon.to" -}}
to={{ if eq .Status "resolved" }}{{ (.EndsAt.Add 600000000000).UnixMilli }}{{ else }}now{{ end }}
{{- end }}

{{ define "paymon.panel" -}}
{{ .Annotations.dashboard_url }}&{{ template "paymon.from" . }}&{{ template "paymon.to" . }}
{{- end }}

{{ define "paymon.summary" }}{{ or .Annotations.summary .Labels.alertname }}{{ end }}

{{ define "paymon.moment" }}{{ .UTC.Format "2006-01-02 15:04" }} UTC{{ end }}

{{/* production, host shop.example.com */}}
{{ define "paymon.subject" -}}
{{ .Labels.environment }}
{{- $known := stringSlice "alertname" "environment" "instance" "job" "priority" "service" "severity" "team" -}}
{{ range (.Labels.Remove $known).SortedPairs }}, {{ .Name }} {{ .Value }}{{ end }}
{{- end }}
"""

_TEXT = """
{{ define "paymon.text.alerts" }}{{ range . }}{{ template "paymon.text.alert" . }}

{{ end }}{{ end }}

{{ define "paymon.text.alert" -}}
{{ template "paymon.summary" . }}
{{- with .Annotations.description }}
{{ . }}
{{- end }}
Alert: {{ .Labels.alertname }} ({{ template "paymon.subject" . }})
Since: {{ template "paymon.moment" .StartsAt }}
{{- if eq .Status "resolved" }}
Until: {{ template "paymon.moment" .EndsAt }}
{{- end }}
{{- with .Annotations.because }}
Because: {{ . }}
{{- end }}
{{- with .Annotations.response }}
Response: {{ . }}
{{- end }}
{{- with .Annotations.runbook_url }}
Runbook: {{ . }}
{{- end }}
{{- if .Annotations.dashboard_url }}
Dashboard: {{ template "paymon.panel" . }}
{{- end }}
{{- with .GeneratorURL }}
Query: {{ . }}
{{- end }}
{{- end }}

{{ define "paymon.mail.text" -}}
{{ with .Alerts.Firing }}Firing

{{ template "paymon.text.alerts" . }}{{ end -}}
{{ with .Alerts.Resolved }}Resolved

{{ template "paymon.text.alerts" . }}{{ end -}}
Silence: {{ .ExternalURL }}
{{ template "paymon.links.text" }}
{{- end }}
"""

_SLACK = """
{{/* Colours that the colour-blind can tell apart; the title says the same in words. */}}
{{ define "paymon.slack.color" -}}
{{ if eq .Status "resolved" }}#009E73
{{- else if eq .CommonLabels.priority "P1" }}#D55E00
{{- else if eq .CommonLabels.priority "P2" }}#E69F00
{{- else }}#56B4E9{{ end }}
{{- end }}

{{ define "paymon.slack.text" -}}
{{ with .Alerts.Firing }}_Firing_

{{ template "paymon.slack.alerts" . }}{{ end -}}
{{ with .Alerts.Resolved }}_Resolved_

{{ template "paymon.slack.alerts" . }}{{ end -}}
<{{ .ExternalURL }}|Silence>{{ template "paymon.links.slack" }}
{{- end }}

{{ define "paymon.slack.alerts" }}{{ range . }}{{ template "paymon.slack.alert" . }}

{{ end }}{{ end }}

{{ define "paymon.slack.escaped" -}}
{{ . | reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;" }}
{{- end }}

{{ define "paymon.slack.alert" -}}
*{{ template "paymon.slack.escaped" (or .Annotations.summary .Labels.alertname) }}*
{{- with .Annotations.description }}
{{ template "paymon.slack.escaped" . }}
{{- end }}
Alert: {{ .Labels.alertname }} ({{ template "paymon.subject" . }})
Since: {{ template "paymon.moment" .StartsAt }}
{{- if eq .Status "resolved" }}
Until: {{ template "paymon.moment" .EndsAt }}
{{- end }}
{{- with .Annotations.because }}
Because: {{ template "paymon.slack.escaped" . }}
{{- end }}
{{- with .Annotations.response }}
Response: {{ template "paymon.slack.escaped" . }}
{{- end }}
{{ with .Annotations.runbook_url }}<{{ template "paymon.slack.escaped" . }}|Runbook> · {{ end -}}
{{ if .Annotations.dashboard_url }}<{{ template "paymon.slack.escaped" .Annotations.dashboard_url }}&amp;
{{- template "paymon.from" . }}&amp;{{ template "paymon.to" . }}|Dashboard> · {{ end -}}
<{{ template "paymon.slack.escaped" .GeneratorURL }}|Query>
{{- end }}
"""

_MAIL = """
{{ define "paymon.mail.html" -}}
<!DOCTYPE html>
<html>
<body style="font-family: sans-serif; max-width: 44em">
{{ range .Alerts.Firing }}{{ template "paymon.mail.alert" . }}{{ end }}
{{ range .Alerts.Resolved }}{{ template "paymon.mail.alert" . }}{{ end }}
<p><a href="{{ .ExternalURL }}">Silence</a>{{ template "paymon.links.html" }}</p>
</body>
</html>
{{- end }}

{{ define "paymon.mail.alert" -}}
<h3>{{ with .Labels.priority }}{{ . }} {{ end }}{{ .Status }}: {{ template "paymon.summary" . }}</h3>
<p>{{ .Annotations.description }}</p>
<p>Alert: {{ .Labels.alertname }} ({{ template "paymon.subject" . }})<br>
Since: {{ template "paymon.moment" .StartsAt }}
{{- if eq .Status "resolved" }}<br>
Until: {{ template "paymon.moment" .EndsAt }}
{{- end }}
{{- with .Annotations.because }}<br>
Because: {{ . }}
{{- end }}
{{- with .Annotations.response }}<br>
Response: {{ . }}
{{- end }}</p>
<p>{{ with .Annotations.runbook_url }}<a href="{{ . }}">Runbook</a> · {{ end -}}
{{ if .Annotations.dashboard_url }}<a href="{{ .Annotations.dashboard_url }}&amp;
{{- template "paymon.from" . }}&amp;{{ template "paymon.to" . }}">Dashboard</a> · {{ end -}}
<a href="{{ .GeneratorURL }}">Query</a></p>
{{ end }}
"""


def messages(organisation: Organisation) -> str:
    """The template file: the texts of all channels, and the organisation's links."""
    links = organisation.links
    text = "\n".join(f"{link.title}: {link.url}" for link in links)
    slack = "".join(f" · <{link.url}|{link.title}>" for link in links)
    mail = "".join(f' · <a href="{escape(link.url)}">{escape(link.title)}</a>' for link in links)
    return (
        generated_header("your people and services")
        + _SHARED
        + _TEXT
        + _SLACK
        + _MAIL
        + f'\n{{{{ define "paymon.links.text" }}}}{text}{{{{ end }}}}\n'
        + f'\n{{{{ define "paymon.links.slack" }}}}{slack}{{{{ end }}}}\n'
        + f'\n{{{{ define "paymon.links.html" }}}}{mail}{{{{ end }}}}\n'
    )
