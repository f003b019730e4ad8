{{/* The configuration file: what follows from values, then `global.config`, then `config`. */}}
{{- define "common.config" -}}
{{- $global := .root.Values.global -}}
{{- $storage := $global.storage -}}
{{- $url := $storage.url -}}
{{- if not $url -}}{{- $url = printf "file://%s/store" .role.data -}}{{- end -}}
{{- $store := dict "url" $url -}}
{{- if $storage.prefix -}}{{- $_ := set $store "prefix" $storage.prefix -}}{{- end -}}
{{- if hasPrefix "s3://" $url -}}
  {{- $s3 := dict "region" $storage.s3.region "path_style" $storage.s3.pathStyle "allow_http" $storage.s3.allowHttp -}}
  {{- if $storage.s3.endpoint -}}{{- $_ := set $s3 "endpoint" $storage.s3.endpoint -}}{{- end -}}
  {{- $_ := set $store "s3" $s3 -}}
{{- else if hasPrefix "az://" $url -}}
  {{- $azure := dict "account" $storage.azure.account -}}
  {{- if $storage.azure.endpoint -}}{{- $_ := set $azure "endpoint" $storage.azure.endpoint -}}{{- end -}}
  {{- $_ := set $store "azure" $azure -}}
{{- else if and (hasPrefix "gs://" $url) $storage.credentials.secretName -}}
  {{- $_ := set $store "gcs" (dict "service_account_path" (printf "/etc/quartet/credentials/%s" $storage.credentials.serviceAccountKey)) -}}
{{- end -}}
{{- $zones := list -}}
{{- range $global.cluster.zones -}}{{- $zones = append $zones .name -}}{{- end -}}
{{- $config := dict
    "cluster" (dict "id" $global.cluster.id)
    "storage" $store
    "overrides" (dict "metrics" "/etc/quartet/overrides/metrics.yaml") -}}
{{- if not .role.local -}}
  {{- $_ := set $config "ring" (dict "replication_factor" $global.cluster.replicationFactor "zones" $zones) -}}
{{- end -}}
{{- if $global.memcached.addresses -}}
  {{- $_ := set $config "cache" (dict "memcached" (dict "addresses" $global.memcached.addresses)) -}}
  {{- $_ := set $config "query_frontend" (dict "results_cache" (dict "memcached" (dict "addresses" $global.memcached.addresses))) -}}
{{- end -}}
{{- if .role.clients -}}
  {{- $_ := set $config "server" (dict "drain_delay" "10s") -}}
{{- end -}}
{{- if .role.config -}}{{- $config = mustMergeOverwrite $config .role.config -}}{{- end -}}
{{- mustMergeOverwrite $config (deepCopy $global.config) (deepCopy .root.Values.config) | toYaml -}}
{{- end -}}

{{- define "common.configMaps" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" . | nindent 2 }}
data:
  quartet.yaml: |
    {{- include "common.config" . | nindent 4 }}
---
# Read again while the process runs: pods are not restarted.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.fullname" . }}-overrides
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
data:
  metrics.yaml: |
    overrides:
      {{- toYaml (default (dict) .root.Values.global.overrides.metrics) | nindent 6 }}
{{- end -}}
