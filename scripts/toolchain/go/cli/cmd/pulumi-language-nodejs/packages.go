package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// manifest is what of a package.json says which plugin a package talks to.
type manifest struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Dependencies map[string]string `json:"dependencies"`
	Pulumi       *struct {
		Resource bool   `json:"resource"`
		Name     string `json:"name"`
		Version  string `json:"version"`
		Server   string `json:"server"`
	} `json:"pulumi"`
}

// requiredPackages names the plugins of the program's own dependencies, in the version of their npm packages.
func requiredPackages(programDirectory string) ([]*pulumirpc.PackageDependency, error) {
	program, err := readManifest(filepath.Join(programDirectory, "package.json"))
	if err != nil {
		return nil, err
	}
	var packages []*pulumirpc.PackageDependency
	for dependency := range program.Dependencies {
		file, err := resolve(programDirectory, filepath.Join("node_modules", dependency, "package.json"))
		if err != nil {
			return nil, err
		}
		found, err := readManifest(file)
		if err != nil {
			return nil, err
		}
		if found.Pulumi != nil && found.Pulumi.Resource {
			packages = append(packages, plugin(found))
		}
	}
	sort.Slice(packages, func(i, j int) bool { return packages[i].Name < packages[j].Name })
	return packages, nil
}

func plugin(found manifest) *pulumirpc.PackageDependency {
	name := found.Pulumi.Name
	if name == "" {
		name = strings.TrimPrefix(found.Name, "@pulumi/")
	}
	version := found.Pulumi.Version
	if version == "" {
		version = found.Version
	}
	return &pulumirpc.PackageDependency{Name: name, Kind: "resource", Version: "v" + strings.TrimPrefix(version, "v"), Server: found.Pulumi.Server}
}

func readManifest(file string) (manifest, error) {
	var read manifest
	text, err := os.ReadFile(file)
	if err != nil {
		return read, err
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return read, fmt.Errorf("%s: %w", file, err)
	}
	return read, nil
}
