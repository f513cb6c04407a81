{{/* All that is wrong with the values, one line each: what the schema says, and then what it cannot say, or not well. */}}
{{- define "previewd.validate" -}}
{{- with include "previewd.problems" . | fromYamlArray -}}
{{- fail (printf "\n%s" (join "\n" .)) }}
{{- end }}
{{- end }}

{{- define "previewd.problems" -}}
{{- $schema := .Files.Get "files/schema.json" | fromJson -}}
{{- $found := dict "problems" list -}}
{{- $values := deepCopy .Values -}}
{{- include "previewd.judge" (dict "schema" (index $schema.anyOf 1) "defs" (get $schema "$defs") "value" $values "path" "" "found" $found) -}}
{{- /* One that is wrong is taken out, and is a source of content all the same. */ -}}
{{- if regexMatch "(?m)^previews\\.repository: " (join "\n" $found.problems) -}}
{{- $_ := set $values.previews "repository" "registry.example.com/team/app" -}}
{{- end -}}
{{- $fit := set (omit . "Values") "Values" $values -}}
{{- $rest := concat
  (include "previewd.problems.content" $fit | fromYamlArray)
  (include "previewd.problems.config" $fit | fromYamlArray)
  (include "previewd.problems.rest" $fit | fromYamlArray) -}}
{{- /* One line for a value; and a list or content that is not as it should be is there. */ -}}
{{- $told := printf "\n%s" (join "\n" $found.problems) -}}
{{- if regexMatch "(?m)^content[.:]" $told }}{{ $rest = without $rest (include "previewd.nothingToServe" .) }}{{ end -}}
{{- $problems := $found.problems -}}
{{- range $rest -}}
{{- $again := contains (printf "\n%s: " (splitList ": " . | first)) $told -}}
{{- $there := contains (printf "\n%s[" (splitList " is missing" . | first)) $told -}}
{{- if not (or $again $there) }}{{ $problems = append $problems . }}{{ end -}}
{{- end -}}
{{- toYaml $problems }}
{{- end }}

{{- define "previewd.nothingToServe" -}}
there is nothing to serve: set one of content.configMap, content.persistentVolumeClaim, content.hostPath, content.image, content.inline, content.git.repository, content.emptyDir.upload.image and previews.repository
{{- end }}

{{- define "previewd.problems.content" -}}
{{- $problems := list -}}
{{- $c := .Values.content -}}
{{- $names := dict "git" "git.repository" "emptyDir" "emptyDir.upload.image" -}}
{{- $sources := list -}}
{{- range include "previewd.content.sources" . | splitList "," | compact -}}
{{- $sources = append $sources (ternary "previews.repository" (printf "content.%s" (get $names . | default .)) (eq . "previews")) -}}
{{- end -}}
{{- if not $sources -}}
{{- $problems = append $problems (include "previewd.nothingToServe" .) -}}
{{- else if gt (len $sources) 1 -}}
{{- $problems = append $problems (printf "%s are set: there can be only one source of content" (join " and " $sources)) -}}
{{- end -}}

{{- if and (has "content.git.repository" $sources) (not $c.git.repository) -}}
{{- $problems = append $problems "content.git.repository is missing, such as https://git.example.com/team/site.git" -}}
{{- end -}}
{{- if has "content.git.repository" $sources -}}
{{- if not (float64 (include "previewd.milliseconds" ($c.git.period | default ""))) -}}
{{- $problems = append $problems (printf "content.git.period: %q is not a duration above 0, such as 60s or 5m" ($c.git.period | default "")) -}}
{{- end -}}
{{- if and $c.git.repository (not (regexMatch "^([a-z+]+://|[^/@]+@[^/:]+:).+" $c.git.repository)) -}}
{{- $problems = append $problems (printf "content.git.repository: %q is not a URL, such as https://git.example.com/team/site.git or ssh://git@git.example.com/team/site.git" $c.git.repository) -}}
{{- end -}}
{{- end -}}
{{- if and $c.git.repository (not $c.git.secret) (include "previewd.content.ssh" .) -}}
{{- $problems = append $problems (printf "content.git.secret is missing: %q is reached by SSH, which wants a Secret with ssh-privatekey and known_hosts" $c.git.repository) -}}
{{- end -}}
{{- if and (has "content.emptyDir.upload.image" $sources) (not $c.emptyDir.upload.image) -}}
{{- $problems = append $problems "content.emptyDir.upload.image is missing: kubectl cp needs a container with sh, sleep and tar, such as busybox:1.37" -}}
{{- end -}}
{{- if and (has "content.emptyDir.upload.image" $sources) (gt (int (include "previewd.most" .)) 1) -}}
{{- $problems = append $problems (printf "content.emptyDir is each pod's own, and there can be %s pods: set replicaCount to 1 and leave autoscaling off, or share the files by a claim or an image" (include "previewd.most" .)) -}}
{{- end -}}
{{- /* Pre-releases and the suffixes of providers count as the release. */ -}}
{{- if and $c.image (semverCompare "<1.33-0" .Capabilities.KubeVersion.Version) -}}
{{- $problems = append $problems (printf "content.image is an image volume, which Kubernetes has since 1.33, and this is %s: take another source, such as a claim or git" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $c.hostPath (has ".." (splitList "/" ($c.hostPath | default ""))) -}}
{{- $problems = append $problems (printf "content.hostPath: %q has .. in it, which Kubernetes refuses" $c.hostPath) -}}
{{- end -}}

{{- $size := 0 -}}
{{- range $path, $text := $c.inline -}}
{{- $size = add $size (len $path) (len $text) -}}
{{- $parts := splitList "/" $path -}}
{{- if or (has "" $parts) (has "." $parts) (has ".." $parts) (hasPrefix ".." $path) -}}
{{- $problems = append $problems (printf "content.inline: %q is not a path, such as index.html or css/site.css" $path) -}}
{{- end -}}
{{- /* What is no UTF-8 is lost on its way through JSON. */ -}}
{{- if ne $text (printf "[%s]" (toJson $text) | fromJsonArray | first) -}}
{{- $problems = append $problems (printf "content.inline: %q is no text in UTF-8, and would arrive as another: share it by a claim or an image" $path) -}}
{{- end -}}
{{- range $other, $_ := $c.inline -}}
{{- if hasPrefix (printf "%s/" $path) $other -}}
{{- $problems = append $problems (printf "content.inline: %q is a file and, for %q, a directory" $path $other) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (int $size) 1048576 -}}
{{- $problems = append $problems (printf "content.inline has %d bytes, and a ConfigMap can hold 1048576: share the files by a claim or an image" (int $size)) -}}
{{- end -}}
{{- toYaml $problems }}
{{- end }}

{{- define "previewd.problems.config" -}}
{{- $problems := list -}}
{{- $given := include "previewd.given" . | fromYaml -}}
{{- $s := include "previewd.settings" . | fromYaml -}}
{{- $tls := .Values.tls -}}

{{- range list "CGI_TIMEOUT" "HEADER_TIMEOUT" "IDLE_TIMEOUT" "REBUILD_WAIT" "PREVIEWS_CHECK" "PROXY_TIMEOUT" "SHUTDOWN_DELAY" "SHUTDOWN_TIMEOUT" -}}
{{- $text := get $given . -}}
{{- $ms := include "previewd.milliseconds" $text -}}
{{- if and $text (hasSuffix "_TIMEOUT" .) (ne . "SHUTDOWN_TIMEOUT") (not (float64 $ms)) -}}
{{- $problems = append $problems (printf "config.%s: %q is not a duration above 0, such as 500ms, 5s or 1m30s" . $text) -}}
{{- else if and $text (eq $ms "") -}}
{{- $problems = append $problems (printf "config.%s: %q is not a duration, such as 500ms, 5s or 1m30s" . $text) -}}
{{- end -}}
{{- end -}}

{{- if eq ($given.COMPRESS | default "") "on" -}}
{{- $problems = append $problems "config.COMPRESS: true is none of auto, static and off" -}}
{{- end -}}
{{- if eq ($given.KERNEL_CONFINEMENT | default "") "on" -}}
{{- $problems = append $problems "config.KERNEL_CONFINEMENT: true is neither auto nor off" -}}
{{- end -}}

{{- if .Values.reload.enabled -}}
{{- if and $given.RELOAD (not (include "previewd.isTrue" $given.RELOAD)) -}}
{{- $problems = append $problems "config.RELOAD is off and reload.enabled is true: leave one of the two out" -}}
{{- end -}}
{{- if include "previewd.isTrue" $given.EXACT -}}
{{- $problems = append $problems "reload.enabled is not possible with config.EXACT, as http.server has nothing like it" -}}
{{- end -}}
{{- end -}}

{{- $previews := .Values.previews -}}
{{- if eq ($given.PREVIEWS | default "") "on" -}}
{{- $problems = append $problems "config.PREVIEWS: true is neither off nor directories" -}}
{{- end -}}
{{- if and $previews.repository $given.PREVIEWS (ne $given.PREVIEWS "on") -}}
{{- $problems = append $problems (printf "config.PREVIEWS is %s and previews.repository is set: leave one of the two out" $given.PREVIEWS) -}}
{{- else if and $previews.enabled (eq ($given.PREVIEWS | default "") "off") -}}
{{- $problems = append $problems "config.PREVIEWS is off and previews.enabled is true: leave one of the two out" -}}
{{- end -}}
{{- if or $previews.enabled $previews.repository -}}
{{- range $value, $variable := dict "domain" "PREVIEWS_DOMAIN" "path" "PREVIEWS_PATH" -}}
{{- $one := get $previews $value -}}
{{- $other := get $given $variable -}}
{{- if and $one $other (ne $one $other) -}}
{{- $problems = append $problems (printf "config.%s: %q is not previews.%s, %q: leave one of the two out" $variable $other $value $one) -}}
{{- end -}}
{{- end -}}
{{- if and $previews.enabled .Values.content.configMap (not $previews.repository) -}}
{{- $problems = append $problems "previews.enabled needs directories, and content.configMap has none: take another source, such as a claim" -}}
{{- end -}}
{{- else if $previews.domain -}}
{{- $problems = append $problems (printf "previews.domain: %q has no use without previews.enabled or previews.repository" $previews.domain) -}}
{{- end -}}
{{- if $previews.repository -}}
{{- /* The volume goes by it. */ -}}
{{- with $given.PREVIEWS_SIZE -}}
{{- $problems = append $problems (printf "config.PREVIEWS_SIZE: %q decides more than a variable of the container: set previews.size" .) -}}
{{- end -}}
{{- $size := include "previewd.mebibytes" $previews.size -}}
{{- if eq $size "" -}}
{{- $problems = append $problems (printf "previews.size: %q is not a size, such as 500Mi or 2Gi" (include "previewd.text" $previews.size)) -}}
{{- else if lt (atoi $size) 16 -}}
{{- $problems = append $problems (printf "previews.size: %q is less than 16Mi" (include "previewd.text" $previews.size)) -}}
{{- end -}}
{{- $check := include "previewd.milliseconds" ($given.PREVIEWS_CHECK | default "") -}}
{{- if and $check (lt (float64 $check) 1000.0) -}}
{{- $problems = append $problems (printf "config.PREVIEWS_CHECK: %q is less than 1s" $given.PREVIEWS_CHECK) -}}
{{- end -}}
{{- with $given.DIRECTORY -}}
{{- $problems = append $problems (printf "config.DIRECTORY: %q has no use with previews.repository, whose images are what is served" .) -}}
{{- end -}}
{{- else -}}
{{- range $value := list "path" "pullSecret" -}}
{{- with get $previews $value -}}
{{- $problems = append $problems (printf "previews.%s: %q has no use without previews.repository" $value .) -}}
{{- end -}}
{{- end -}}
{{- range $variable := list "PREVIEWS_PATH" "PREVIEWS_CHECK" "PREVIEWS_STORE" "PREVIEWS_SIZE" "PREVIEWS_INSECURE" -}}
{{- with get $given $variable -}}
{{- $problems = append $problems (printf "config.%s: %q has no use without previews.repository" $variable .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "previewd.hasPreviews" . -}}
{{- range list "EXACT" "CGI" -}}
{{- if include "previewd.isTrue" (get $given .) -}}
{{- $problems = append $problems (printf "config.%s is not possible with previews" .) -}}
{{- end -}}
{{- end -}}
{{- else if $given.PREVIEWS_DOMAIN -}}
{{- $problems = append $problems (printf "config.PREVIEWS_DOMAIN: %q has no use without previews.enabled or previews.repository" $given.PREVIEWS_DOMAIN) -}}
{{- end -}}

{{- $ports := dict -}}
{{- range list "PORT" "TLS_PORT" "ADMIN_PORT" -}}
{{- $port := get $s . -}}
{{- if $port -}}
{{- if or (lt (atoi $port) 1) (gt (atoi $port) 65535) -}}
{{- $problems = append $problems (printf "config.%s: %q is not a port from 1 to 65535, and a pod's ports are fixed" . $port) -}}
{{- else if get $ports (toString (atoi $port)) -}}
{{- $problems = append $problems (printf "config.%s: %s is config.%s too" . $port (get $ports (toString (atoi $port)))) -}}
{{- else -}}
{{- $_ := set $ports (toString (atoi $port)) . -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $lists := include "previewd.elements" . | fromYaml -}}
{{- range $variable, $rule := $lists -}}
{{- range $element := splitList "," (get $given $variable) -}}
{{- if and (get $given $variable) (not (regexMatch $rule.form (trim $element))) -}}
{{- $problems = append $problems (printf "config.%s: %q is not %s" $variable (trim $element) $rule.words) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $variable, $least := dict "CGI_MAX_PROCESSES" 1 "MAX_CONNECTIONS" 0 -}}
{{- with get $given $variable -}}
{{- if or (lt (atoi .) $least) (gt (atoi .) 2147483647) -}}
{{- $problems = append $problems (printf "config.%s: %q is not a number from %d to 2147483647" $variable . $least) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range list "BIND" "ADMIN_BIND" -}}
{{- $host := get $given . -}}
{{- if or (hasPrefix "127." $host) (has $host (list "::1" "localhost")) -}}
{{- $problems = append $problems (printf "config.%s: %q is reached from within the pod only, by no probe and no Service: leave it out, or take 0.0.0.0 or ::" . $host) -}}
{{- end -}}
{{- end -}}

{{- $directory := include "previewd.content.directory" . -}}
{{- $clean := trimSuffix "/" ($s.DIRECTORY | default $directory) -}}
{{- if and (not $previews.repository) (or (has ".." (splitList "/" $clean)) (not (or (eq $clean $directory) (hasPrefix (printf "%s/" $directory) $clean)))) -}}
{{- $problems = append $problems (printf "config.DIRECTORY: %q is not in the content: it must be %s, where that is mounted, or a directory below it" $s.DIRECTORY $directory) -}}
{{- end -}}

{{- $ways := list -}}
{{- if $tls.existingSecret }}{{ $ways = append $ways "tls.existingSecret" }}{{ end -}}
{{- if $tls.selfSigned }}{{ $ways = append $ways "tls.selfSigned" }}{{ end -}}
{{- if $tls.certManager.enabled }}{{ $ways = append $ways "tls.certManager" }}{{ end -}}
{{- if $given.TLS_CERT }}{{ $ways = append $ways "config.TLS_CERT" }}{{ end -}}
{{- if and (include "previewd.isTrue" $given.TLS_SELF_SIGNED) (not $tls.selfSigned) }}{{ $ways = append $ways "config.TLS_SELF_SIGNED" }}{{ end -}}
{{- if gt (len $ways) 1 -}}
{{- $problems = append $problems (printf "%s are set: there can be only one certificate" (join " and " $ways)) -}}
{{- end -}}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef.name) -}}
{{- $problems = append $problems "tls.certManager.issuerRef.name is missing: who is to sign the certificate" -}}
{{- end -}}
{{- if and $given.TLS_KEY (not $given.TLS_CERT) -}}
{{- $problems = append $problems "config.TLS_KEY needs config.TLS_CERT; the key of tls.existingSecret is found without it" -}}
{{- end -}}
{{- if and $given.TLS_PASSWORD_FILE (not $s.TLS_CERT) -}}
{{- $problems = append $problems "config.TLS_PASSWORD_FILE needs a key: set tls.existingSecret or config.TLS_CERT" -}}
{{- end -}}
{{- if and (eq ($given.HTTPS_REDIRECT | default "") "on") (not (include "previewd.https" .)) -}}
{{- $problems = append $problems "config.HTTPS_REDIRECT: on needs a certificate here: set tls, or name the port of the proxy that has one, such as 443" -}}
{{- end -}}

{{- /* A path that has to be writable, while the root file system is not. */ -}}
{{- range $variable := list "TLS_STATE_DIR" "PREVIEWS_STORE" -}}
{{- with get $given $variable -}}
{{- $dir := printf "%s/" (trimSuffix "/" .) -}}
{{- $found := not (dig "readOnlyRootFilesystem" false ($.Values.securityContext | default dict)) -}}
{{- if and $previews.repository (hasPrefix "/previews/" $dir) }}{{ $found = true }}{{ end -}}
{{- range $.Values.extraVolumeMounts -}}
{{- if and (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $dir) (not .readOnly) }}{{ $found = true }}{{ end -}}
{{- end -}}
{{- if and (not $found) (or $previews.repository (ne $variable "PREVIEWS_STORE")) -}}
{{- $problems = append $problems (printf "config.%s: %q cannot be written to: mount a volume there with extraVolumes and extraVolumeMounts" $variable .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $seen := dict -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "PORT" "BIND" "DIRECTORY" "TLS_CERT" "TLS_KEY" "TLS_PORT" "TLS_SELF_SIGNED" "TLS_SELF_SIGNED_HOSTS" "ADMIN_PORT" "ADMIN_BIND" "PREVIEWS" "PREVIEWS_DOMAIN" "PREVIEWS_STORE" "PREVIEWS_INSECURE" "SHUTDOWN_DELAY" "SHUTDOWN_TIMEOUT") -}}
{{- $problems = append $problems (printf "extraEnv: %s decides more than a variable of the container: set config.%s" .name .name) -}}
{{- end -}}
{{- if eq .name "PREVIEWS_SIZE" -}}
{{- $problems = append $problems "extraEnv: PREVIEWS_SIZE decides more than a variable of the container: set previews.size" -}}
{{- else if and (eq .name "DOCKER_CONFIG") $previews.pullSecret -}}
{{- $problems = append $problems "extraEnv: DOCKER_CONFIG is where previews.pullSecret is: leave one of the two out" -}}
{{- end -}}
{{- if get $seen .name -}}
{{- $problems = append $problems (printf "extraEnv: %s is there twice" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- toYaml $problems }}
{{- end }}

{{/* What each element of a list in config is, by variable; what a server that starts would say, in short. */}}
{{- define "previewd.elements" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- $v4 := printf "%s(\\.%s){3}" $byte $byte -}}
{{- $v6 := "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*" -}}
{{- /* The last label of a name is no number. */ -}}
{{- $name := "([0-9A-Za-z_][-0-9A-Za-z_]*\\.)*([0-9]*[A-Za-z_]|[0-9]+-)[-0-9A-Za-z_]*\\.?" -}}
{{- $host := dict "form" (printf "^(%s|%s|%s)$" $v4 $v6 $name) "words" "an address or a host name" -}}
{{- $token := "[-!#$&^_.+0-9A-Za-z]+" -}}
{{- $part := "([^/%?#.][^/%?#]*|\\.[^/%?#.][^/%?#]*|\\.\\.[^/%?#]+)" -}}
{{- dict
  "BIND" $host
  "ADMIN_BIND" $host
  "TLS_SELF_SIGNED_HOSTS" $host
  "CGI_DIRECTORIES" (dict "form" (printf "^/(%s/)*%s?$" $part $part) "words" "a plain path of the site, such as /cgi-bin")
  "CGI_PASS_ENV" (dict "form" "^[A-Za-z_][A-Za-z0-9_]*$" "words" "the name of a variable")
  "HTTPS_REDIRECT" (dict "form" "^(off|on|0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))$" "words" "off, on or a port from 1 to 65535")
  "INDEX_PAGES" (dict "form" "^([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+)$" "words" "a file name, such as index.html")
  "EXTENSIONS_MAP" (dict "form" (printf "^([^/=.][^/=]*|\\.[^/=]+)?= *%s/%s *(;[ -~]*)?$" $token $token) "words" ".suffix=media/type or name=media/type, such as .md=text/markdown")
  "TRUSTED_PROXIES" (dict "form" (printf "^(%s(/([12]?[0-9]|3[0-2]))?|%s(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$" $v4 $v6) "words" "an address or CIDR, such as 10.0.0.0/8")
  | toYaml }}
{{- end }}

{{- define "previewd.problems.rest" -}}
{{- $problems := list -}}
{{- $v := .Values -}}
{{- /* Names of other objects (RFC 1123, subdomain): what the API server would refuse, or never find. */ -}}
{{- $names := dict
  "content.configMap" $v.content.configMap
  "content.persistentVolumeClaim" $v.content.persistentVolumeClaim
  "content.git.secret" $v.content.git.secret
  "previews.pullSecret" $v.previews.pullSecret
  "tls.existingSecret" $v.tls.existingSecret
  "tls.certManager.issuerRef.name" $v.tls.certManager.issuerRef.name
  "serviceAccount.name" $v.serviceAccount.name -}}
{{- range $i, $secret := $v.imagePullSecrets -}}
{{- $_ := set $names (printf "imagePullSecrets[%d].name" $i) $secret.name -}}
{{- end -}}
{{- range $value, $name := $names -}}
{{- if and $name (not (and (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $name) (le (len $name) 253))) -}}
{{- $problems = append $problems (printf "%s: %q is not the name of an object, such as my-site: at most 253 lower case letters, digits, hyphens and points, with a letter or digit around each point and at both ends" $value $name) -}}
{{- end -}}
{{- end -}}
{{- /* A Service's name is a label of DNS (RFC 1035), which begins with a letter. */ -}}
{{- $name := include "previewd.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- $problems = append $problems (printf "%q cannot be the name of a Service, which begins with a letter and has letters, digits and hyphens: set fullnameOverride" $name) -}}
{{- end -}}
{{- $kubernetes := .Capabilities.KubeVersion.Version -}}
{{- if and $v.podDisruptionBudget.enabled (gt (int (include "previewd.fewest" .)) 1) (semverCompare "<1.21-0" $kubernetes) -}}
{{- $problems = append $problems (printf "podDisruptionBudget is of policy/v1, which Kubernetes has since 1.21, and this is %s: set podDisruptionBudget.enabled to false" $kubernetes) -}}
{{- end -}}
{{- with $v.autoscaling -}}
{{- if .enabled -}}
{{- if semverCompare "<1.23-0" $kubernetes -}}
{{- $problems = append $problems (printf "autoscaling is of autoscaling/v2, which Kubernetes has since 1.23, and this is %s: set replicaCount" $kubernetes) -}}
{{- end -}}
{{- if lt (int .maxReplicas) (int .minReplicas) -}}
{{- $problems = append $problems (printf "autoscaling.maxReplicas: %d is less than autoscaling.minReplicas, %d" (int .maxReplicas) (int .minReplicas)) -}}
{{- end -}}
{{- if not (or .targetCPUUtilizationPercentage .targetRequestsPerSecond) -}}
{{- $problems = append $problems "autoscaling has nothing to go by: set autoscaling.targetCPUUtilizationPercentage or autoscaling.targetRequestsPerSecond" -}}
{{- end -}}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" (include "previewd.resources" $ | fromYaml))) -}}
{{- $problems = append $problems "autoscaling.targetCPUUtilizationPercentage is a part of resources.requests.cpu, which is missing" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.parentRefs is missing: the gateways that the route belongs to, such as [{name: gateway}]" -}}
{{- end -}}
{{- range $v.httpRoute.rules -}}
{{- if hasKey . "backendRefs" -}}
{{- $problems = append $problems "httpRoute.rules: backendRefs is the chart's own: each rule leads to the Service, but for one that redirects" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) (not (include "previewd.previewHosts" . | fromYamlArray)) -}}
{{- $problems = append $problems "ingress.hosts is missing, such as [{host: site.example.com, paths: [{path: /, pathType: Prefix}]}]" -}}
{{- end -}}
{{- if and (include "previewd.https" .) (eq (int $v.service.port) (int $v.service.httpsPort)) -}}
{{- $problems = append $problems (printf "service.httpsPort: %d is service.port too" (int $v.service.httpsPort)) -}}
{{- end -}}
{{- if and (or $v.service.nodePort $v.service.httpsNodePort) (eq $v.service.type "ClusterIP") -}}
{{- $problems = append $problems "service.nodePort and service.httpsNodePort need service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- range $v.extraVolumes -}}
{{- if has .name (list "content" "tls" "tmp" "git-secret" "previews" "pull-secret") -}}
{{- $problems = append $problems (printf "extraVolumes: %q is the name of a volume of the chart's own" .name) -}}
{{- end -}}
{{- end -}}
{{- range $v.extraVolumeMounts -}}
{{- if has (trimSuffix "/" .mountPath) (list "" "/srv" "/tls" "/previews" "/pull-secret") -}}
{{- $problems = append $problems (printf "extraVolumeMounts: %q is where the chart mounts, or hides the server" .mountPath) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := $v.podLabels -}}
{{- if has $key (list "app.kubernetes.io/name" "app.kubernetes.io/instance") -}}
{{- $problems = append $problems (printf "podLabels: %s is what the Deployment finds its pods by" $key) -}}
{{- end -}}
{{- end -}}
{{- toYaml $problems }}
{{- end }}
