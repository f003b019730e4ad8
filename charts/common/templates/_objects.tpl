{{/* All objects of a component. */}}
{{- define "common.all" -}}
{{- include "common.check" . -}}
{{ include "common.configMaps" . }}
---
{{- if .root.Values.serviceAccount.create }}
{{ include "common.serviceAccount" . }}
---
{{- end }}
{{ include "common.services" . }}
---
{{- if eq .role.workload "Deployment" }}
{{ include "common.deployment" . }}
{{- else }}
{{- range (include "common.zones" . | fromJson).zones }}
---
{{ include "common.statefulSet" (mustMerge (dict "zone" .) $) }}
{{- end }}
{{- end }}
{{- if .root.Values.podDisruptionBudget.enabled }}
---
{{ include "common.podDisruptionBudget" . }}
{{- end }}
{{- if and .root.Values.autoscaling .root.Values.autoscaling.enabled }}
{{- range (include "common.zones" . | fromJson).zones }}
---
{{ include "common.autoscaler" (mustMerge (dict "zone" .) $) }}
{{- end }}
{{- end }}
{{- if .root.Values.global.serviceMonitor.enabled }}
---
{{ include "common.serviceMonitor" . }}
{{- end }}
{{- if .root.Values.global.networkPolicy.enabled }}
---
{{ include "common.networkPolicy" . }}
{{- end }}
{{- range .root.Values.extraObjects }}
---
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end -}}

{{- define "common.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "common.serviceAccountName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
  {{- with mustMerge (deepCopy .root.Values.serviceAccount.annotations) .root.Values.global.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{/* One Service for requests and scrapes; StatefulSets have a second one that gives their pods names. */}}
{{- define "common.services" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.fullname" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    quartet/service: main
  {{- if .role.clients }}
  {{- with .root.Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
spec:
  type: {{ if .role.clients }}{{ .root.Values.service.type }}{{ else }}ClusterIP{{ end }}
  selector:
    {{- include "common.selector" . | nindent 4 }}
  ports:
    - { name: http-metrics, port: 8080, targetPort: http-metrics }
    {{- range .role.ports }}
    - { name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }} }
    {{- end }}
{{- if eq .role.workload "StatefulSet" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "common.fullname" . }}-headless
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    quartet/service: headless
spec:
  clusterIP: None
  # Members are spoken to before they are ready.
  publishNotReadyAddresses: true
  selector:
    {{- include "common.selector" . | nindent 4 }}
  ports:
    - { name: http-metrics, port: 8080, targetPort: http-metrics }
    - { name: grpc, port: 9095, targetPort: grpc }
    {{- if .role.gossips }}
    - { name: gossip, port: 7946, targetPort: gossip, appProtocol: tcp }
    {{- end }}
{{- end }}
{{- end -}}

{{/* Over all zones. */}}
{{- define "common.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .root.Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
{{- end -}}

{{- define "common.autoscaler" -}}
{{- $scaling := .root.Values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "common.fullname" . }}{{ include "common.zoneSuffix" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .role.workload }}
    name: {{ include "common.fullname" . }}{{ include "common.zoneSuffix" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- with $scaling.targetCPUUtilizationPercentage }}
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: {{ . }} }
    {{- end }}
    {{- with $scaling.metrics }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $scaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "common.serviceMonitor" -}}
{{- $monitor := .root.Values.global.serviceMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "common.fullname" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" . | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
      quartet/service: main
  endpoints:
    - port: http-metrics
      interval: {{ $monitor.interval }}
      relabelings:
        # Mimir's dashboards find a component by this job, and a cluster by its name.
        - { targetLabel: job, replacement: {{ printf "%s/%s" .root.Release.Namespace .role.component | quote }} }
        - { targetLabel: cluster, replacement: {{ .root.Values.global.cluster.id | quote }} }
{{- end -}}

{{/*
Who may speak to the pods, and to whom they may speak: all components among themselves, clients with those that serve them,
a Prometheus with all.
*/}}
{{- define "common.networkPolicy" -}}
{{- $policy := .root.Values.global.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              {{- include "common.cluster" . | nindent 14 }}
      ports:
        - { port: 8080 }
        - { port: 9095 }
        {{- if .role.gossips }}
        - { port: 7946 }
        {{- end }}
    {{- $clients := .root.Values.clients }}
    {{- if not (or $clients .role.closed) }}{{- $clients = list (dict "podSelector" (dict)) }}{{- end }}
    {{- if and .role.clients $clients }}
    - from:
        {{- toYaml $clients | nindent 8 }}
      ports:
        - { port: 8080 }
        {{- range .role.ports }}
        - { port: {{ .port }} }
        {{- end }}
    {{- end }}
    {{- with $policy.metricsFrom }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - { port: 8080 }
    {{- end }}
  egress:
    - ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
    - to:
        - podSelector:
            matchLabels:
              {{- include "common.cluster" . | nindent 14 }}
      ports:
        - { port: 9095 }
        - { port: 7946 }
    - to:
        {{- range $policy.storage.cidrs }}
        - ipBlock: { cidr: {{ . }} }
        {{- end }}
      ports:
        {{- range $policy.storage.ports }}
        - { port: {{ . }} }
        {{- end }}
    {{- $ports := list }}
    {{- range .root.Values.global.memcached.addresses }}
    {{- $ports = append $ports (splitList ":" . | last | int) }}
    {{- end }}
    {{- with $ports | uniq }}
    - ports:
        {{- range . }}
        - { port: {{ . }} }
        {{- end }}
    {{- end }}
    {{- with $policy.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
