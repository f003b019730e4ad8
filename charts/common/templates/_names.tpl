{{/*
All templates take one argument: a dict of `root`, the chart's own scope, and `role`, what the chart says of its component:
  component  its name
  program    the binary
  workload   Deployment or StatefulSet
  zonal      whether there is a StatefulSet for each zone
  gossips    whether it is a member of the ring
  ports      of its own, besides http and grpc: list of dicts name, port
  clients    whether it is meant for clients: NetworkPolicy and Service follow
  closed     whether a NetworkPolicy lets in no clients that are not named
  data       directory of its disk
  retain     whether the disk outlives its pod
  local      whether it can do without a bucket
*/}}

{{/* With a zone of 15 characters at most it leaves room for the label that Kubernetes makes of a StatefulSet's name and a hash. */}}
{{- define "common.fullname" -}}
{{- $name := default .root.Chart.Name .root.Values.nameOverride -}}
{{- if .root.Values.fullnameOverride -}}
{{- .root.Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else if contains $name .root.Release.Name -}}
{{- .root.Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.root.Release.Name | trunc (sub 35 (len $name) | int) | trimSuffix "-") $name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods: it never changes, and holds for all zones. */}}
{{- define "common.selector" -}}
app.kubernetes.io/name: quartet
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role.component }}
{{- end -}}

{{- define "common.labels" -}}
{{ include "common.selector" . }}
app.kubernetes.io/part-of: quartet
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What selects all pods of the cluster, whichever release made them. */}}
{{- define "common.cluster" -}}
app.kubernetes.io/name: quartet
quartet/cluster: {{ .root.Values.global.cluster.id | quote }}
{{- end -}}

{{- define "common.serviceAccountName" -}}
{{- with .root.Values.serviceAccount -}}
{{- if .name -}}{{ .name }}{{- else if .create -}}{{ include "common.fullname" $ }}{{- else -}}default{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.image" -}}
{{- $global := .root.Values.global.image -}}
{{- $image := .root.Values.image -}}
{{- $repository := $image.repository -}}
{{- if $global.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" $global.registry) $repository -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (coalesce $image.tag $global.tag .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "common.metadata" -}}
name: {{ include "common.fullname" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- end -}}

{{/* The zones of the component's StatefulSets; one without a name where there are none. */}}
{{- define "common.zones" -}}
{{- $zones := list -}}
{{- if .role.zonal -}}{{- $zones = default (list) .root.Values.global.cluster.zones -}}{{- end -}}
{{- dict "zones" (default (list (dict "name" "")) $zones) | toJson -}}
{{- end -}}

{{- define "common.zoneSuffix" -}}
{{- with .zone.name -}}-{{ . }}{{- end -}}
{{- end -}}
