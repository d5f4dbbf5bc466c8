package dev.weir.engine;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;

/** Which Weir this is. */
public final class EngineVersion {
  private static final String PROPERTIES = "/META-INF/maven/dev.weir/weir-engine/pom.properties";

  private EngineVersion() {}

  /** The version of the build; classes outside a jar have none. */
  public static String number() {
    try (InputStream in = EngineVersion.class.getResourceAsStream(PROPERTIES)) {
      if (in == null) {
        return "(unpackaged)";
      }
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version", "(unknown)");
    } catch (IOException e) {
      return "(unknown)";
    }
  }
}
