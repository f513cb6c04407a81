{{/* Judges the values by files/schema.json, which is values.schema.json: its comment says why that is not left to helm. What is
wrong is told, and taken out of the values, so that previewd.problems can look at the rest. Of JSON Schema it knows what is
used there: type, enum, pattern, minLength, minimum, maximum, required, properties, additionalProperties, items and $ref.
description says in a message what a value should be. */}}

{{/* Adds to .problems what is wrong with .value, which is called .path, and prints "bad" if it cannot stay. */}}
{{- define "previewd.judge" -}}
{{- $ := . -}}
{{- $schema := include "previewd.schema" . | fromJson -}}
{{- $types := $schema.type | default list -}}
{{- if kindIs "string" $types }}{{ $types = list $types }}{{ end -}}
{{- $kind := include "previewd.kind" .value -}}
{{- /* What it should be, in words: a pattern that only lists them speaks for itself. */ -}}
{{- $form := "" -}}
{{- with $schema.description }}{{ $form = printf "is not %s" . }}{{ end -}}
{{- if and (not $form) (regexMatch `^\^\([a-zA-Z0-9/|\\.]+\)\$$` ($schema.pattern | default "")) -}}
{{- $form = printf "is none of %s" (regexReplaceAll `[\\^$()]` $schema.pattern "" | replace "|" ", ") -}}
{{- end -}}
{{- $wrong := "" -}}
{{- if and $types (not (has $kind $types)) (not (and (eq $kind "integer") (has "number" $types))) -}}
{{- $names := dict "string" "a text" "integer" "a whole number" "number" "a number" "boolean" "true or false without quotes" "array" "a list" "object" "a map" -}}
{{- $wanted := list -}}
{{- range without $types "null" }}{{ $wanted = append $wanted (get $names .) }}{{ end -}}
{{- $wrong = $form | default (printf "is not %s" (join " or " $wanted)) -}}
{{- else if and $schema.enum (not (has .value $schema.enum)) -}}
{{- $wrong = printf "is none of %s" (join ", " $schema.enum) -}}
{{- else if and (eq $kind "string") $schema.minLength (eq .value "") -}}
{{- $wrong = "may not be empty" -}}
{{- else if and (eq $kind "string") $schema.pattern (not (regexMatch ($schema.pattern | default "") .value)) -}}
{{- $wrong = $form | default (printf "does not match %s" $schema.pattern) -}}
{{- else if and (has $kind (list "integer" "number")) (hasKey $schema "minimum") (lt (float64 .value) (float64 ($schema.minimum | default 0))) -}}
{{- $wrong = $form | default (printf "is less than %v" $schema.minimum) -}}
{{- else if and (has $kind (list "integer" "number")) (hasKey $schema "maximum") (gt (float64 .value) (float64 ($schema.maximum | default 0))) -}}
{{- $wrong = $form | default (printf "is more than %.0f" (float64 $schema.maximum)) -}}
{{- end -}}
{{- if $wrong -}}
{{- $text := ternary "a map" (ternary "a list" (ternary (quote .value) (include "previewd.text" .value) (eq $kind "string")) (eq $kind "array")) (eq $kind "object") -}}
{{- if eq $kind "null" }}{{ $text = "null" }}{{ end -}}
{{- $hint := "" -}}
{{- if and (hasPrefix "a duration" ($schema.description | default "")) (regexMatch "^[0-9]{1,9}$" (include "previewd.text" .value)) -}}
{{- $hint = printf ", did you mean %ss?" (include "previewd.text" .value) -}}
{{- end -}}
{{- $_ := set .found "problems" (append .found.problems (printf "%s: %s %s%s" .path $text $wrong $hint)) -}}
bad
{{- else if eq $kind "object" -}}
{{- include "previewd.judgeMap" (dict "schema" $schema "defs" .defs "value" .value "path" .path "found" .found) -}}
{{- end -}}
{{- end }}

{{/* The same for the keys of a map. What has to be a map is one afterwards, so that others can look into it. */}}
{{- define "previewd.judgeMap" -}}
{{- $ := . -}}
{{- $prefix := ternary "" (printf "%s." .path) (eq .path "") -}}
{{- $properties := .schema.properties | default dict -}}
{{- range $key := .schema.required -}}
{{- if not (hasKey $.value $key) -}}
{{- $_ := set $.found "problems" (append $.found.problems (printf "%s%s is missing" $prefix $key)) -}}
{{- end -}}
{{- end -}}
{{- range $key := keys .value | sortAlpha -}}
{{- $path := printf "%s%s" $prefix $key -}}
{{- $below := $.schema.additionalProperties -}}
{{- if hasKey $properties $key }}{{ $below = get $properties $key }}{{ end -}}
{{- if kindIs "map" $below -}}
{{- $item := get $.value $key -}}
{{- $resolved := include "previewd.schema" (dict "schema" $below "defs" $.defs) | fromJson -}}
{{- if include "previewd.judge" (dict "schema" $below "defs" $.defs "value" $item "path" $path "found" $.found) -}}
{{- $_ := unset $.value $key -}}
{{- else if and (kindIs "slice" $item) $resolved.items -}}
{{- $kept := list -}}
{{- range $i, $element := $item -}}
{{- $before := len $.found.problems -}}
{{- include "previewd.judge" (dict "schema" $resolved.items "defs" $.defs "value" $element "path" (printf "%s[%d]" $path $i) "found" $.found) | trimAll "bad" -}}
{{- if eq $before (len $.found.problems) }}{{ $kept = append $kept $element }}{{ end -}}
{{- end -}}
{{- $_ := set $.value $key $kept -}}
{{- end -}}
{{- else if and (kindIs "bool" $below) (not $below) -}}
{{- $_ := set $.found "problems" (append $.found.problems (printf "%s: there is no such value" $path)) -}}
{{- $_ := unset $.value $key -}}
{{- end -}}
{{- end -}}
{{- range $key, $below := $properties -}}
{{- if and (eq (toString (get $below "type")) "object") $below.properties (not (get $.value $key)) -}}
{{- $_ := set $.value $key dict -}}
{{- include "previewd.judgeMap" (dict "schema" (omit $below "required") "defs" $.defs "value" (get $.value $key) "path" "" "found" (dict "problems" list)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A schema with what its $ref leads to. */}}
{{- define "previewd.schema" -}}
{{- $schema := .schema -}}
{{- with get $schema "$ref" -}}
{{- $schema = merge (omit $schema "$ref") (get $.defs (trimPrefix "#/$defs/" .)) -}}
{{- end -}}
{{- toJson $schema }}
{{- end }}

{{/* The type of a value in the words of JSON Schema. */}}
{{- define "previewd.kind" -}}
{{- if kindIs "invalid" . }}null
{{- else if kindIs "map" . }}object
{{- else if kindIs "slice" . }}array
{{- else if kindIs "bool" . }}boolean
{{- else if kindIs "string" . }}string
{{- else if eq (float64 .) (floor .) }}integer
{{- else }}number
{{- end }}
{{- end }}
