{{- define "passerelle.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "passerelle.labels" -}}
app.kubernetes.io/name: passerelle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "passerelle.gateways" -}}
app.kubernetes.io/name: passerelle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "passerelle.redis" -}}
app.kubernetes.io/name: passerelle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: redis
{{- end -}}

{{/* Whether the chart makes the Secret of settings. */}}
{{- define "passerelle.makesSecret" -}}
{{- if or .Values.secret.data .Values.redis.enabled }}yes{{ end -}}
{{- end -}}

{{- define "passerelle.settings" -}}
{{- with .Values.drain }}
{{- if le (int .timeoutSeconds) (int .windowSeconds) }}{{ fail "drain.timeoutSeconds must be more than drain.windowSeconds" }}{{ end }}
{{- if le (int .graceSeconds) (add (int .preStopSeconds) (int .timeoutSeconds) | int) }}{{ fail "drain.graceSeconds must be more than drain.preStopSeconds and drain.timeoutSeconds together" }}{{ end }}
{{- end -}}
CHANNELS_FILE: /etc/passerelle/channels.json
# Probes and Prometheus have a port of their own; the network policy says who reaches it.
INTERNAL_PORT: "9080"
INTERNAL_HOST: 0.0.0.0
# The preStop pause is what lets everybody learn that the gateway goes.
DRAIN_SETTLE_MS: "0"
DRAIN_WINDOW_MS: {{ mul .Values.drain.windowSeconds 1000 | quote }}
SHUTDOWN_TIMEOUT_SECONDS: {{ .Values.drain.timeoutSeconds | quote }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ ternary (int64 $value) $value (kindIs "float64" $value) | toString | quote }}
{{- end }}
{{- end -}}

{{- define "passerelle.secrets" -}}
{{- if .Values.redis.enabled }}
REDIS_URL: {{ printf "redis://:%s@%s-redis:6379" .Values.redis.password (include "passerelle.name" .) | quote }}
{{- end }}
{{- range $name, $value := .Values.secret.data }}
{{ $name }}: {{ ternary (int64 $value) $value (kindIs "float64" $value) | toString | quote }}
{{- end }}
{{- end -}}

{{/* What clients and servers use. /metrics, /stats, /monitoring and the pages are not for strangers, and not here. */}}
{{- define "passerelle.paths" -}}
exact: [/ws, /chat, /notifications, /events, /client.js]
prefix: [/api]
{{- end -}}

{{- define "passerelle.scaling" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - { type: Percent, value: 100, periodSeconds: 60 }
    - { type: Pods, value: 2, periodSeconds: 60 }
# Each replica that goes sends its clients elsewhere: only when it was too many for a while, and one after the other.
scaleDown:
  stabilizationWindowSeconds: 900
  policies:
    - { type: Pods, value: 1, periodSeconds: 300 }
{{- end -}}
