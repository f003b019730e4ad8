{{- define "common.deployment" -}}
{{- $scope := mustMerge (dict "zone" (dict "name" "")) . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  {{- if not .root.Values.autoscaling.enabled }}
  replicas: {{ .root.Values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
  template:
    {{- include "common.podTemplate" $scope | nindent 4 }}
{{- end -}}

{{/* One for each zone; `zone` in the scope says which. */}}
{{- define "common.statefulSet" -}}
{{- $values := .root.Values -}}
{{- $scaled := and $values.autoscaling $values.autoscaling.enabled -}}
{{- $replicas := $values.replicas -}}
{{- if and .zone.name (hasKey $values.replicasOfZones .zone.name) -}}{{- $replicas = get $values.replicasOfZones .zone.name -}}{{- end -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "common.fullname" . }}{{ include "common.zoneSuffix" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    {{- with .zone.name }}
    quartet/zone: {{ . }}
    {{- end }}
spec:
  {{- if not $scaled }}
  replicas: {{ $replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  serviceName: {{ include "common.fullname" . }}-headless
  podManagementPolicy: Parallel
  updateStrategy:
    # StatefulSets are updated at the same time. Where each holds a copy, an operator goes from zone to zone.
    type: {{ if and .role.retain .zone.name }}OnDelete{{ else }}RollingUpdate{{ end }}
  selector:
    matchLabels:
      {{- include "common.podLabels" . | nindent 6 }}
  template:
    {{- include "common.podTemplate" . | nindent 4 }}
  {{- if .role.data }}
  {{- $kept := ternary "Retain" "Delete" .role.retain }}
  persistentVolumeClaimRetentionPolicy: { whenDeleted: {{ $kept }}, whenScaled: {{ $kept }} }
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
        {{- with $values.persistence.annotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.persistence.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $values.persistence.size }}
  {{- end }}
{{- end -}}
