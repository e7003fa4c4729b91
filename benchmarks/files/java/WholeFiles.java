// The local disk under the scheme "whole": a file is one block, so that Flink does not cut it.
//
// why   Flink reads the blocks of a large local file in no order, and rows of an earlier block are
//       late then; with a file for each reader, each in the order of time, none is
import java.net.URI;
import org.apache.flink.core.fs.BlockLocation;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.FileSystemFactory;
import org.apache.flink.core.fs.local.LocalFileSystem;

public final class WholeFiles implements FileSystemFactory {
  @Override
  public String getScheme() {
    return "whole";
  }

  @Override
  public FileSystem create(URI place) {
    return new Whole();
  }

  private static final class Whole extends LocalFileSystem {
    @Override
    public URI getUri() {
      return URI.create("whole:///");
    }

    @Override
    public long getDefaultBlockSize() {
      return Long.MAX_VALUE;
    }

    @Override
    public BlockLocation[] getFileBlockLocations(FileStatus file, long start, long length) {
      return new BlockLocation[0]; // unknown: one split
    }
  }
}
