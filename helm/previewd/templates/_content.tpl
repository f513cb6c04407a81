{{/* The source of the content. previewd.problems sees to it that there is exactly one. */}}

{{- define "previewd.content.sources" -}}
{{- $c := .Values.content -}}
{{- $sources := list -}}
{{- range list "configMap" "persistentVolumeClaim" "hostPath" "image" "inline" -}}
{{- if get $c . }}{{ $sources = append $sources . }}{{ end -}}
{{- end -}}
{{- if or $c.git.repository $c.git.ref $c.git.secret }}{{ $sources = append $sources "git" }}{{ end -}}
{{- if or $c.emptyDir.upload.image $c.emptyDir.sizeLimit }}{{ $sources = append $sources "emptyDir" }}{{ end -}}
{{- if .Values.previews.repository }}{{ $sources = append $sources "previews" }}{{ end -}}
{{- join "," $sources }}
{{- end }}

{{/* Where the volume is mounted in the server's container. */}}
{{- define "previewd.content.mountPath" -}}/srv{{- end }}

{{/* What is served: git-sync switches the link current to each new revision. */}}
{{- define "previewd.content.directory" -}}
{{- include "previewd.content.mountPath" . }}
{{- if eq (include "previewd.content.sources" .) "git" }}/current{{ end }}
{{- end }}

{{/* The key of an inline file: its path if that can be a key of a ConfigMap, else something like it. */}}
{{- define "previewd.content.key" -}}
{{- if and (regexMatch "^[-._a-zA-Z0-9]+$" .) (le (len .) 253) -}}
{{- . }}
{{- else -}}
{{- printf "%s.%s" (regexReplaceAll "[^-._a-zA-Z0-9]" . "_" | trunc 200) (sha256sum . | trunc 8) }}
{{- end }}
{{- end }}

{{- define "previewd.content.volume" -}}
{{- $c := .Values.content -}}
{{- $source := include "previewd.content.sources" . -}}
name: content
{{- if eq $source "configMap" }}
configMap:
  name: {{ $c.configMap | quote }}
{{- else if eq $source "persistentVolumeClaim" }}
persistentVolumeClaim:
  claimName: {{ $c.persistentVolumeClaim | quote }}
{{- else if eq $source "hostPath" }}
hostPath:
  path: {{ $c.hostPath | quote }}
  type: Directory
{{- else if eq $source "image" }}
image:
  reference: {{ $c.image | quote }}
{{- else if eq $source "inline" }}
configMap:
  name: {{ include "previewd.fullname" . }}-content
  items:
    {{- range $path := keys $c.inline | sortAlpha }}
    - key: {{ include "previewd.content.key" $path | quote }}
      path: {{ $path | quote }}
    {{- end }}
{{- else if and (eq $source "emptyDir") $c.emptyDir.sizeLimit }}
emptyDir:
  sizeLimit: {{ include "previewd.text" $c.emptyDir.sizeLimit | quote }}
{{- else }}
emptyDir: {}
{{- end }}
{{- end }}

{{/* "true" for a repository that is reached by SSH. */}}
{{- define "previewd.content.ssh" -}}
{{- if regexMatch "^(ssh://|[^/]+@[^/]+:)" .Values.content.git.repository }}true{{ end }}
{{- end }}

{{/* A container of git-sync: (list $ NAME ONE_TIME). */}}
{{- define "previewd.content.gitSync" -}}
{{- $ := index . 0 -}}
{{- $git := $.Values.content.git -}}
{{- $ssh := include "previewd.content.ssh" $ -}}
name: {{ index . 1 }}
image: {{ $git.image | quote }}
imagePullPolicy: IfNotPresent
env:
  - name: GITSYNC_REPO
    value: {{ $git.repository | quote }}
  {{- with $git.ref }}
  - name: GITSYNC_REF
    value: {{ include "previewd.text" . | quote }}
  {{- end }}
  - name: GITSYNC_ROOT
    value: /git
  - name: GITSYNC_LINK
    value: current
  {{- if index . 2 }}
  - name: GITSYNC_ONE_TIME
    value: "true"
  {{- else }}
  - name: GITSYNC_PERIOD
    value: {{ $git.period | quote }}
  # A repository that is away for a while is no reason to take the site away.
  - name: GITSYNC_MAX_FAILURES
    value: "-1"
  {{- end }}
  # Answers in progress may still read the previous revision.
  - name: GITSYNC_STALE_WORKTREE_TIMEOUT
    value: 5m
  - name: HOME
    value: /tmp
  {{- if $git.secret }}
  {{- if $ssh }}
  # Older versions 4 look at the key only then.
  - name: GITSYNC_SSH
    value: "true"
  - name: GITSYNC_SSH_KEY_FILE
    value: /etc/git-secret/ssh-privatekey
  - name: GITSYNC_SSH_KNOWN_HOSTS_FILE
    value: /etc/git-secret/known_hosts
  {{- else }}
  - name: GITSYNC_USERNAME
    valueFrom:
      secretKeyRef:
        name: {{ $git.secret | quote }}
        key: username
  - name: GITSYNC_PASSWORD_FILE
    value: /etc/git-secret/password
  {{- end }}
  {{- end }}
{{- with mergeOverwrite (deepCopy ($.Values.securityContext | default dict)) ($git.securityContext | default dict) }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $git.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: content
    mountPath: /git
  - name: tmp
    mountPath: /tmp
  {{- if $git.secret }}
  - name: git-secret
    mountPath: /etc/git-secret
    readOnly: true
  {{- end }}
{{- end }}
