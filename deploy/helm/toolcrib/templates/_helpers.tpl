{{- define "toolcrib.selector" -}}
app.kubernetes.io/name: toolcrib
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "toolcrib.labels" -}}
{{ include "toolcrib.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "toolcrib.image" -}}
{{- $image := .Values.image }}
{{- $repository := required "image.repository is empty; build the image (deploy/Containerfile), push it, and name it here" $image.repository }}
{{- if $image.digest }}{{ $repository }}@{{ $image.digest }}{{ else }}{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* The configuration, with what its other parts must agree with. */}}
{{- define "toolcrib.config" -}}
{{- $config := required "config is empty; write toolcrib.toml there, deploy/kubernetes/values.yaml has an example" .Values.config }}
{{- $monitored := or .Values.serviceMonitor.enabled .Values.autoscaling.enabled }}
{{- if and $monitored (not (regexMatch `(?m)^\s*(telemetry\.)?metrics\s*=\s*"(0\.0\.0\.0|\[::\]):9090"` $config)) }}
{{- fail "serviceMonitor and autoscaling need metrics; write `metrics = \"0.0.0.0:9090\"` into [telemetry] of config" }}
{{- end }}
{{- $drain := regexFind `(?m)^\s*(server\.)?drain\s*=\s*"\d+s"` $config | regexFind `\d+` | default "30" | int }}
{{- $least := add .Values.preStopSeconds $drain 5 }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $least) }}
{{- fail (printf "terminationGracePeriodSeconds is shorter than preStopSeconds, server.drain and 5 s; set it to %d" $least) }}
{{- end }}
{{- $config }}
{{- end }}
