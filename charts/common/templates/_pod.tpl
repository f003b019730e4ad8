{{- define "common.probe" -}}
{{- $probe := dict "httpGet" (dict "path" .path "port" "http-metrics") "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" .failures -}}
{{- mustMergeOverwrite $probe (deepCopy .values) | toYaml -}}
{{- end -}}

{{- define "common.env" -}}
# The name of the pod names the process: it is unique in the cluster, and an ingester keeps it.
- name: QUARTET_SERVER__ID
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: QUARTET_SERVER__ADVERTISE_ADDRESS
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: QUARTET_RING__ADVERTISE
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
{{- with .zone.name }}
- name: QUARTET_RING__ZONE
  value: {{ . }}
{{- end }}
{{- $storage := .root.Values.global.storage }}
{{- $credentials := $storage.credentials }}
{{- with $credentials.secretName }}
{{- if hasPrefix "s3://" $storage.url }}
- name: QUARTET_STORAGE__S3__ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $credentials.accessKeyId }} } }
- name: QUARTET_STORAGE__S3__SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $credentials.secretAccessKey }} } }
{{- else if hasPrefix "az://" $storage.url }}
- name: QUARTET_STORAGE__AZURE__ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $credentials.azureAccessKey }} } }
{{- end }}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "common.container" -}}
name: {{ .role.component }}
image: {{ include "common.image" . }}
imagePullPolicy: {{ .root.Values.global.image.pullPolicy }}
command: [{{ .role.program }}]
args:
  - --config=/etc/quartet/config/quartet.yaml
  {{- range $name, $value := .root.Values.extraArgs }}
  - {{ printf "--%s=%v" $name $value | quote }}
  {{- end }}
env:
  {{- include "common.env" . | nindent 2 }}
{{- with .root.Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - { name: http-metrics, containerPort: 8080 }
  - { name: grpc, containerPort: 9095 }
  {{- if .role.gossips }}
  - { name: gossip, containerPort: 7946 }
  {{- end }}
  {{- range .role.ports }}
  - { name: {{ .name }}, containerPort: {{ .port }} }
  {{- end }}
startupProbe:
  {{- include "common.probe" (dict "path" "/services" "failures" 60 "values" .root.Values.probes.startup) | nindent 2 }}
readinessProbe:
  {{- include "common.probe" (dict "path" "/ready" "failures" 2 "values" .root.Values.probes.readiness) | nindent 2 }}
livenessProbe:
  {{- include "common.probe" (dict "path" "/services" "failures" 6 "values" .root.Values.probes.liveness) | nindent 2 }}
resources:
  {{- toYaml .root.Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: config, mountPath: /etc/quartet/config, readOnly: true }
  - { name: overrides, mountPath: /etc/quartet/overrides, readOnly: true }
  {{- if include "common.hasKeyFile" . }}
  - { name: credentials, mountPath: /etc/quartet/credentials, readOnly: true }
  {{- end }}
  {{- if .role.data }}
  - { name: data, mountPath: {{ .role.data }} }
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Whether the key of the store is a file: that of Google's is. */}}
{{- define "common.hasKeyFile" -}}
{{- $storage := .root.Values.global.storage -}}
{{- if and $storage.credentials.secretName (hasPrefix "gs://" $storage.url) -}}yes{{- end -}}
{{- end -}}

{{- define "common.affinity" -}}
{{- if .root.Values.affinity -}}
{{- toYaml .root.Values.affinity -}}
{{- else if and .zone.name .root.Values.zoneTopologyKey -}}
# No node holds pods of two zones: what takes a node away takes one copy away.
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: {{ .root.Values.zoneTopologyKey }}
      labelSelector:
        matchLabels:
          {{- include "common.selector" . | nindent 10 }}
        matchExpressions:
          - { key: quartet/zone, operator: NotIn, values: [{{ .zone.name }}] }
{{- end -}}
{{- end -}}

{{- define "common.podLabels" -}}
{{ include "common.selector" . }}
{{- with .zone.name }}
quartet/zone: {{ . }}
{{- end }}
{{- end -}}

{{- define "common.podTemplate" -}}
metadata:
  labels:
    {{- include "common.podLabels" . | nindent 4 }}
    quartet/cluster: {{ .root.Values.global.cluster.id | quote }}
    {{- with mustMerge (deepCopy .root.Values.podLabels) .root.Values.global.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "common.config" . | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "common.serviceAccountName" . }}
  automountServiceAccountToken: false
  # The variables of Services begin as those of settings do (`QUARTET_INGESTER_PORT`), and are none.
  enableServiceLinks: false
  {{- with .root.Values.global.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- range $key, $value := .root.Values.podSecurityContext }}
    {{- if not (kindIs "invalid" $value) }}
    {{ $key }}: {{ toJson $value }}
    {{- end }}
    {{- end }}
  {{- $nodes := deepCopy .root.Values.nodeSelector }}
  {{- with .zone.topology }}{{- $_ := set $nodes "topology.kubernetes.io/zone" . }}{{- end }}
  {{- with $nodes }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "common.affinity" . }}
  affinity:
    {{- . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: {{ .root.Values.spread }}
      labelSelector:
        matchLabels:
          {{- include "common.podLabels" . | nindent 10 }}
    {{- if not .zone.topology }}
    # Nodes without this label would be left out if it had to hold.
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "common.podLabels" . | nindent 10 }}
    {{- end }}
    {{- with .root.Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  containers:
    - {{- include "common.container" . | nindent 6 }}
  volumes:
    - name: config
      configMap: { name: {{ include "common.fullname" . }} }
    - name: overrides
      configMap: { name: {{ include "common.fullname" . }}-overrides }
    {{- if include "common.hasKeyFile" . }}
    - name: credentials
      secret: { secretName: {{ .root.Values.global.storage.credentials.secretName }} }
    {{- end }}
    {{- with .root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
